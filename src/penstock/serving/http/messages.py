"""HTTP requests and responses as handlers see them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from penstock.serving.errors import InputError

# Media types of bodies.
JSON, BYTES = b"application/json", b"application/octet-stream"


@dataclass(slots=True)
class Request:
    """A complete request."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    """Values by lower-case name."""
    body: bytes
    """The whole body, decompressed."""
    query: str = ""
    """The part of the URL after "?"."""
    arrived: float = field(default_factory=time.monotonic)
    """When the request was complete, by `time.monotonic`."""
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    """Values of the {names} in the pattern of the route."""

    def json(self) -> dict[str, Any]:
        """Parse the body as a JSON object.

        Raises:
            InputError: It is something else.
        """
        return json_object(self.body)


@dataclass(slots=True)
class Response:
    """A complete response."""

    body: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: Sequence[tuple[bytes, bytes]] = ()


def json_object(body: bytes | memoryview) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        InputError: The body is something else.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError("the body must be a JSON object")
    return content


def json_response(content: object, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> Response:
    """Encode a response as JSON; contiguous numpy arrays are written as lists."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, JSON, headers)
