"""What a gRPC call carries besides its message, and how it is refused."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
import grpc.aio

from penstock.serving.errors import OverloadedError, RequestError

# gRPC's code for the HTTP status of an error.
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}

Context = grpc.aio.ServicerContext[Any, Any]


def headers_of(context: Context) -> dict[bytes, bytes]:
    """Return the metadata of a call that are text, by lower-case name."""
    pairs = context.invocation_metadata() or ()
    return {name.encode(): value.encode() for name, value in pairs if isinstance(value, str)}


async def abort(context: Context, error: RequestError) -> NoReturn:
    """End a call with the code and message of an error."""
    trailers = (("retry-after", str(error.retry_after)),) if isinstance(error, OverloadedError) else ()
    await context.abort(CODES[error.status], str(error), trailers)
    raise AssertionError("`context.abort` raises")
