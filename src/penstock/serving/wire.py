"""HTTP/1.1 as bytes: what a request's first line names, and how an answer is written."""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from penstock.serving.http import Response

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
NOT_MODIFIED = HTTPStatus.NOT_MODIFIED.value
# As a proxy is asked, and a server must understand it (RFC 9112, section 3.2.2).
ABSOLUTE = re.compile(rb"https?://[^/?]*/?", re.IGNORECASE)

CLOSE, KEEP_ALIVE = b"connection: close\r\n", b"connection: keep-alive\r\n"


def divided(url: bytes) -> tuple[str, str]:
    """The path, and what stands behind its question mark."""
    if not url.startswith(b"/"):
        url = ABSOLUTE.sub(b"/", url, count=1)
    path, _, query = url.partition(b"?")
    return (unquote_to_bytes(path) if b"%" in path else path).decode("utf-8", "replace"), query.decode("latin-1")


def written(response: Response, headers: bytes, method: str) -> bytes:
    """The answer to a request of this method. headers: whole lines, besides those that the response needs."""
    length = b"" if response.status == NOT_MODIFIED else b"\r\ncontent-length: %d" % len(response.body)
    return b"".join(
        (
            STATUS_LINES[response.status],
            headers,
            b"content-type: ",
            response.kind,
            length,
            b"".join([b"\r\n%b: %b" % header for header in response.headers]) if response.headers else b"",
            b"\r\n\r\n",
            b"" if method == "HEAD" else response.body,
        )
    )
