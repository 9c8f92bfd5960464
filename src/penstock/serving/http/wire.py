"""HTTP/1.1 as bytes: parse the request target, write a response."""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from penstock.serving.http.messages import Response

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
NOT_MODIFIED = HTTPStatus.NOT_MODIFIED.value
# The absolute form, which a server must accept (RFC 9112, section 3.2.2).
ABSOLUTE = re.compile(rb"https?://[^/?]*/?", re.IGNORECASE)

# A name or address with an optional port (RFC 9110, section 7.2; RFC 3986, section 3.2.2); empty without an authority.
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::[0-9]*)?")

CLOSE, KEEP_ALIVE = b"connection: close\r\n", b"connection: keep-alive\r\n"


def split_target(target: bytes) -> tuple[str, str]:
    """Return the decoded path and the query of a request target."""
    if not target.startswith(b"/"):
        target = ABSOLUTE.sub(b"/", target, count=1)
    path, _, query = target.partition(b"?")
    return (unquote_to_bytes(path) if b"%" in path else path).decode("utf-8", "replace"), query.decode("latin-1")


def encode_response(response: Response, headers: bytes, method: str) -> bytes:
    """Write a response.

    Args:
        response: The response.
        headers: Complete header lines to add.
        method: Method of the request; HEAD gets no body.
    """
    length = b"" if response.status == NOT_MODIFIED else b"\r\ncontent-length: %d" % len(response.body)
    return b"".join(
        (
            STATUS_LINES[response.status],
            headers,
            b"content-type: ",
            response.media_type,
            length,
            b"".join([b"\r\n%b: %b" % header for header in response.headers]) if response.headers else b"",
            b"\r\n\r\n",
            b"" if method == "HEAD" else response.body,
        )
    )
