"""HTTP/1.1 on one caller's socket.

Requests are answered one after another, in the order in which they came. What is too large, too slow or no HTTP is
refused before it has been read to its end, and the caller is given time to read why.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote_to_bytes

import httptools

from penstock.serving.http import Request, Response, json_response
from penstock.serving.refusals import (
    HeadersTooLargeError,
    InputError,
    OverloadedError,
    RefusedError,
    TooLargeError,
    TooSlowError,
)

if TYPE_CHECKING:
    from penstock.serving.listener import Listener

LARGEST_HEAD = 64 * 2**10
MOST_AHEAD = 16  # requests that a caller may send before the first of them is answered
KEEP_ALIVE_SECONDS = 75.0
LINGER_SECONDS = 2.0  # for a caller to read why it was refused, and to stop sending
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
OUR_FAULT = json_response({"error": "a mistake of the server's own; its log says which"}, 500)


class Connection(asyncio.Protocol):
    """since: when the caller last began to send a request, or was last sent an answer."""

    def __init__(self, listener: Listener) -> None:
        self.since = time.monotonic()
        self._listener = listener
        self._app = listener.app
        self._transport = cast(asyncio.Transport, None)
        self._parser = httptools.HttpRequestParser(self)
        self._ahead: deque[Request | RefusedError] = deque()
        self._task: asyncio.Task[None] | None = None
        self._last = False  # no request behind the one that is being answered
        self._deaf = False  # what still comes is thrown away
        self._head = 0  # bytes of a request whose headers have not all come
        self._held = 0  # bytes of bodies that have not been answered
        self._owed = 0  # bytes of a body that the parser takes for another protocol
        self._caller = ""
        self._path = self._query = ""
        self.on_message_begin()

    @property
    def idle(self) -> bool:
        """Whether nothing has come that is not answered."""
        return self._task is None and not self._head and not self._in_body

    def close(self) -> None:
        self._transport.close()

    def turn_away(self) -> None:
        """Of more connections than there may be: a word, and no time to read it at leisure."""
        self._refuse(OverloadedError("too many connections are open; ask again"))
        self._transport.close()

    def look(self, now: float, timeout: float) -> None:
        """Ends what the caller takes too long for; called about once a second."""
        waited = now - self.since
        if self._transport.get_write_buffer_size():
            if waited > timeout:
                self._transport.abort()
        elif self._task is not None:
            return
        elif self._deaf:
            if waited > LINGER_SECONDS:
                self._transport.close()
        elif self._head or self._in_body:
            if waited > timeout:
                self._refuse(TooSlowError(f"the request did not arrive within {timeout:g} s"))
        elif waited > KEEP_ALIVE_SECONDS:
            self._transport.close()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._caller = "{}:{}".format(*transport.get_extra_info("peername")[:2])
        self._listener.take(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.lose(self, self._held)
        self._ahead.clear()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._owed:
            self._take_owed(data)
        if self._deaf or self._last:
            return
        if not self._in_body:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._take_owed(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(InputError(f"this is not HTTP: {error}"))
        if self._head > LARGEST_HEAD:
            self._refuse(HeadersTooLargeError(f"the headers are larger than {LARGEST_HEAD} bytes"))

    def eof_received(self) -> bool:
        """A caller that sends no more may still read its answer."""
        self._last = True
        return self._task is not None

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self.since = time.monotonic()
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._in_body = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # behind a body in chunks there may come more, which nothing here reads
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._head = 0
        self._path, self._query = _divided(self._url)
        try:
            self._app.admit(self._path, self._headers)
            self._make_room(int(self._headers.get(b"content-length", 0)))
        except RefusedError as error:
            self._refuse(error)
            return
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._deaf:
            return
        self._body.append(body)
        self._size += len(body)
        self._held += len(body)
        self._listener.held += len(body)
        try:
            self._make_room(0)
        except RefusedError as error:
            self._refuse(error)

    def on_message_complete(self) -> None:
        self._in_body = False
        if self._deaf:
            return
        if self._parser.should_upgrade():
            # Only HTTP/1.1 is spoken here, so the request is answered as one that asked for nothing else; but the
            # parser has left its body to the other protocol.
            self._owed = int(self._headers.get(b"content-length", 0))
            self._last = True
        if not self._parser.should_keep_alive():
            self._last = True
        if not self._owed:
            self._complete()

    def _take_owed(self, data: bytes) -> None:
        owed, self._owed = data[: self._owed], max(0, self._owed - len(data))
        if owed:
            self.on_body(owed)
            if not self._owed:
                self._complete()

    def _complete(self) -> None:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._enqueue(Request(self._parser.get_method().decode(), self._path, self._headers, body, self._query))

    def _make_room(self, more: int) -> None:
        settings = self._listener.settings
        if self._size + more > settings.largest_body:
            raise TooLargeError(f"the body is larger than {settings.largest_body} bytes")
        if self._listener.held + more > settings.all_bodies:
            raise OverloadedError("the bodies of other requests fill the memory; ask again")

    def _refuse(self, error: RefusedError) -> None:
        """Answers without the rest of the request, after what came before it, and hears no more."""
        if not (self._deaf or self._last):
            self._deaf = True
            self._head = 0
            self._enqueue(error)

    def _enqueue(self, item: Request | RefusedError) -> None:
        self._ahead.append(item)
        if self._task is None:
            self._next()
        elif len(self._ahead) > MOST_AHEAD:
            self._transport.pause_reading()

    def _next(self) -> None:
        item = self._ahead.popleft()
        if isinstance(item, Request):
            self._task = self._listener.loop.create_task(self._answer(item))
        else:
            self._send(self._app.refusal(item))

    async def _answer(self, request: Request) -> None:
        size = len(request.body)
        response = OUR_FAULT
        try:
            response = await self._app.respond(request)
        finally:  # also of a mistake of ours, whose traceback goes its own way
            self._task = None
            if not self._transport.is_closing():
                self._held -= size
                self._listener.held -= size
                self._send(response, with_body=request.method != "HEAD")
                self._listener.log(request, response, size, self._caller)
                if self._ahead:
                    self._transport.resume_reading()
                    self._next()

    def _send(self, response: Response, *, with_body: bool = True) -> None:
        last = (self._last or self._deaf or self._listener.closing) and not self._ahead
        self._transport.write(
            b"".join(
                (
                    STATUS_LINES[response.status],
                    self._listener.common_headers,
                    b"connection: close\r\ncontent-type: " if last else b"content-type: ",
                    response.kind,
                    b"\r\ncontent-length: ",
                    b"%d" % len(response.body),
                    *(b"\r\n%b: %b" % header for header in response.headers),
                    b"\r\n\r\n",
                    response.body if with_body else b"",
                )
            )
        )
        self.since = time.monotonic()
        if last and self._deaf:
            self._transport.write_eof()  # to close now would take the answer from a caller who still sends
        elif last:
            self._transport.close()


def _divided(url: bytes) -> tuple[str, str]:
    """The path, and what stands behind its question mark."""
    path, _, query = url.partition(b"?")
    return (unquote_to_bytes(path) if b"%" in path else path).decode("utf-8", "replace"), query.decode("latin-1")
