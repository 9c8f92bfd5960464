"""HTTP requests and responses as handlers see them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from penstock.core.file_kinds import FIRST_BYTES, binary_kind
from penstock.serving.errors import InputError, NotJsonError, PayloadTooLargeError

# Media types of bodies.
JSON, BYTES = b"application/json", b"application/octet-stream"
# Types that clients send JSON with. curl sends the second one with -d unless told otherwise, and browsers the third.
JSON_TYPES = (JSON, b"application/x-www-form-urlencoded", b"text/plain", b"")
JSON_SUFFIX = b"+json"  # RFC 6839
MAX_CONTAINERS = 10**6  # arrays and objects of a body in JSON; each takes 50 to 250 bytes of memory when parsed
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of UTF-8; some editors and .NET write it


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


def is_json(content_type: bytes) -> bool:
    """Return whether a header Content-Type is that of JSON, or says nothing of the body."""
    if content_type in JSON_TYPES:
        return True
    media_type = content_type.partition(b";")[0].strip().lower()
    return media_type in JSON_TYPES or media_type.endswith(JSON_SUFFIX)


def check_size(body: bytes | memoryview) -> None:
    """Limit the memory that a body in JSON takes when it is parsed.

    Raises:
        PayloadTooLargeError: It has more than `MAX_CONTAINERS`.
    """
    content = bytes(body)
    count = content.count(b"[") + content.count(b"{")
    if count > MAX_CONTAINERS:
        raise PayloadTooLargeError(f"the body has {count} arrays and objects; the limit is {MAX_CONTAINERS}")


def json_object(body: bytes | memoryview, hint: str = "") -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        body: The body.
        hint: What to do about JSON that is no object.

    Raises:
        NotJsonError: The body is not JSON.
        InputError: It is JSON of another type.
        PayloadTooLargeError: It has more than `MAX_CONTAINERS`.
    """
    if len(body) > MAX_CONTAINERS:
        check_size(body)
    if body[:3] == BYTE_ORDER_MARK:
        body = body[3:]
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(body, error) from None
    if not isinstance(content, dict):
        raise InputError("the body must be a JSON object" + (f"; {hint}" if hint else ""))
    return content


def _not_json(body: bytes | memoryview, error: orjson.JSONDecodeError) -> NotJsonError:
    if kind := binary_kind(bytes(body[:FIRST_BYTES])):
        return NotJsonError(f"the body is {kind}, not JSON")
    return NotJsonError(f"the body is not JSON: {error}" if bytes(body).strip() else "the body is empty")


def json_response(content: object, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> Response:
    """Encode a response as JSON; contiguous numpy arrays are written as lists."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, JSON, headers)
