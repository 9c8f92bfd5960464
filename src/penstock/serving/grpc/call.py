"""What a gRPC call carries besides its message."""

from __future__ import annotations

from typing import Any

import grpc.aio


def headers_of(context: grpc.aio.ServicerContext[Any, Any]) -> dict[bytes, bytes]:
    """Return the metadata of a call that are text, by lower-case name."""
    pairs = context.invocation_metadata() or ()
    return {name.encode(): value.encode() for name, value in pairs if isinstance(value, str)}
