"""Requests whose head repeats an earlier one of their connection, but for the digits of Content-Length.

Clients that keep a connection alive send the same request line and headers again. The parser has accepted these bytes
once, and would read them identically; so only the length and the body are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.serving.http.messages import Request

LENGTH = b"content-length"
NEVER_REPEATED = (b"expect", b"transfer-encoding", b"upgrade")  # each asks for more than an answer
MAX_HEAD = 2 * 2**10  # bytes; each connection keeps one
MAX_DIGITS = 9
MAX_UNUSED = 8  # heads of a connection that may differ in a row; then heads are no longer kept
END, LINE_END = b"\r\n\r\n", b"\r\n"


@dataclass(frozen=True, slots=True)
class RepeatedHead:
    """The head of a request that the parser accepted, and how the request is answered.

    Args:
        request: The request.
        before: The head before the digits of Content-Length; the whole head if it has none.
        digits: These digits; empty if there are none.
        after: The head after them.
    """

    request: Request
    before: bytes
    digits: bytes
    after: bytes

    def parse(self, data: bytes) -> Request | None:
        """Return the request that the data are; None if they are not one whole request with this head."""
        before = self.before
        if not data.startswith(before):
            return None
        known = self.request
        headers = known.headers
        start = len(before)
        if self.after:
            end = data.find(b"\r", start)
            digits = data[start:end]
            if not data.startswith(self.after, end):
                return None
            start = end + len(self.after)
            if digits != self.digits:
                if not digits.isdigit() or len(digits) > MAX_DIGITS:
                    return None
                headers = {**headers, LENGTH: digits}
            if len(data) - start != int(digits):
                return None
        elif len(data) != start:
            return None
        return Request(known.method, known.path, headers, data[start:], known.query)


def repeated_head(
    data: bytes, method: str, path: str, query: str, headers: Mapping[bytes, bytes]
) -> RepeatedHead | None:
    """Return the head of a request, to be recognized when it is repeated.

    Args:
        data: Bytes that the parser read as one request, and no more of it.
        method: Its method.
        path: Its path.
        query: Its query.
        headers: Its headers.

    Returns:
        The head; None if it is too long, or if the request is more than these bytes and an answer.
    """
    size = data.find(END, 0, MAX_HEAD) + len(END)
    digits = headers.get(LENGTH, b"")
    if size < len(END) or len(data) - size != int(digits or 0) or any(name in headers for name in NEVER_REPEATED):
        return None
    head = data[:size]
    if head.count(b"\n") != head.count(LINE_END):  # a line may end otherwise, and the head elsewhere
        return None
    request = Request(method, path, headers, b"", query)
    if not digits:
        return RepeatedHead(request, head, b"", b"")
    name = head.lower().find(LINE_END + LENGTH + b":")
    start = head.find(digits, name)
    end = start + len(digits)
    if head[name:start].lower().rstrip(b" \t") != LINE_END + LENGTH + b":" or not head.startswith(LINE_END, end):
        return None
    return RepeatedHead(request, head[:start], digits, head[end:])
