"""What onnxruntime raises, its messages without the folders that they name, and what to do about them."""

from __future__ import annotations

import re

from onnxruntime.capi import onnxruntime_pybind11_state

# All that onnxruntime raises; its exceptions have no common base class.
ONNXRUNTIME_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    *(
        kind
        for kind in vars(onnxruntime_pybind11_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
)
# Of onnxruntime's own source, of the model's file, and of the machine that named the nodes of the graph.
_NODE_FOLDER = re.compile(r"(?<=Name:')[^'\n]*[/\\](?=[^'\n]*')")
_FOLDER = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'\":]+[/\\])+")


def message_without_folders(error: Exception) -> str:
    """Return the message of an error as clients may read it: a path is reduced to its last part."""
    return _FOLDER.sub("", _NODE_FOLDER.sub("", str(error))).strip()


# What onnxruntime says of a file that it cannot load, and what that means.
_REASONS = [
    (r"Fatal error: (\S+)\(-?\d+\) is not a registered function/op", r"it has no operator \1; {operators}"),
    (r"No Op registered for (\S+) with domain_version of (\d+)", r"opset \2 has no operator \1; {operators}"),
    (r"Could not find an implementation for (\w+)\(\d+\)", r"it has no \1 for this type of tensor; {types}"),
    (r"MLDataType for: (\S+) is not", r"it has no type \1; {types}"),
    (r"Opset (\d+) is under development.* is till opset (\d+)", r"it has no opset \1; export the model with opset \2"),
    (r"Failed to construct locale with name:([\w.@-]+)", r"this system has no locale \1; {locale}"),
    (r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", r"it has no IR version \1; {version}"),
]
_REMEDIES = {
    "operators": "export the model with operators of ONNX or onnxruntime only",
    "locale": "install it, or export the model with the locale C",
    "types": "export the model with float32",
    "version": "update onnxruntime, or export the model with an older onnx (IR version \\2)",
}


def why_not_loaded(error: Exception) -> str:
    """Return in one line why a file cannot be loaded, and what to do."""
    message = " ".join(message_without_folders(error).split())
    for pattern, reason in _REASONS:
        if found := re.search(pattern, message):
            return found.expand(reason.format(**_REMEDIES))
    return message
