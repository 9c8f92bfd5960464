"""Validated files as other engines take them: a Triton repository, a container's build context, a KServe service."""
