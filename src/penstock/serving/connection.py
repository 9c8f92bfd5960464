"""HTTP/1.1 on one caller's socket.

Requests are answered one after another, in the order in which they came. What is too large, too slow or no HTTP is
refused before it has been read to its end, and the caller is given time to read why.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from penstock.serving.http import Request, Response, json_response
from penstock.serving.refusals import (
    OUR_FAULT,
    HeadersTooLargeError,
    InputError,
    OverloadedError,
    RefusedError,
    TooLargeError,
    TooSlowError,
)
from penstock.serving.room import FULL
from penstock.serving.wire import CLOSE, KEEP_ALIVE, divided, written

if TYPE_CHECKING:
    from penstock.serving.listener import Listener

LARGEST_HEAD = 64 * 2**10
MOST_AHEAD = 16  # requests that wait for those before them, after which no more is read
BYTES_AHEAD = 2**10  # that each of these takes besides its body; one read may bring thousands of them
KEEP_ALIVE_SECONDS = 75.0
LINGER_SECONDS = 2.0  # for a caller to read why it was refused, and to stop sending
FAILED = json_response({"error": OUR_FAULT}, 500)
UNHEARD = Response(b"", 499)  # nobody is sent it; nginx's number for a caller that has gone before its answer


class Connection(asyncio.Protocol):
    """since: when the caller last began to send a request, was last sent an answer, or was seen to take some of it."""

    def __init__(self, listener: Listener) -> None:
        self.since = time.monotonic()
        self._listener = listener
        self._app = listener.app
        self._room = listener.app.engine.room
        self._transport = cast(asyncio.Transport, None)
        self._parser = httptools.HttpRequestParser(self)
        self._ahead: deque[tuple[Request, RefusedError | None]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable = True  # the caller takes its answers
        self._last = False  # no request behind the one that is being answered
        self._deaf = False  # what still comes is thrown away
        self._held = 0  # bytes of requests that have not been answered
        self._owed = 0  # bytes of a body that the parser takes for another protocol
        self._untaken = 0  # bytes of answers that the caller had not taken when it was last looked at
        self._caller = ""
        # Of the request that is coming.
        self._head = 0  # bytes since its headers, or the last piece of its body, were whole
        self._in_body = False
        self._url = b""
        self._path = self._query = ""
        self._headers: dict[bytes, bytes] = {}
        self._body: bytes | bytearray = b""

    @property
    def idle(self) -> bool:
        """Whether nothing has come that is not answered."""
        return self._task is None and not (self._ahead or self._head or self._in_body)

    def close(self) -> None:
        self._transport.close()

    def turn_away(self) -> None:
        """Of more connections than there may be: a word, and no time to read it at leisure."""
        self._refuse(OverloadedError("too many connections are open; ask again"))
        self._transport.close()

    def look(self, now: float, timeout: float) -> None:
        """Ends what the caller takes too long for; called about once a second."""
        untaken, self._untaken = self._untaken, self._transport.get_write_buffer_size()
        if self._untaken < untaken:
            self.since = now
        waited = now - self.since
        if self._untaken:
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
        peer = transport.get_extra_info("peername") or ("gone", 0)  # before it was even taken
        self._caller = f"{peer[0]}:{peer[1]}"
        self._listener.take(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.lose(self, self._held)
        unheard = [request for request, _ in self._ahead]
        if self._in_body and not self._deaf:
            unheard.append(self._taken())
        for request in unheard:
            self._listener.note(request, UNHEARD, len(request.body), self._caller)
        self._ahead.clear()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._deaf or self._last:
            return
        if self._owed:
            self._take_owed(data)
            return
        self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.data_received(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(InputError(f"this is not HTTP: {error}"))
        if self._head > LARGEST_HEAD:
            self._refuse(HeadersTooLargeError(f"the headers are larger than {LARGEST_HEAD} bytes"))

    def eof_received(self) -> bool:
        """A caller that sends no more may still read its answer."""
        self._last = True
        return self._task is not None

    def pause_writing(self) -> None:
        self._writable = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._writable = True
        self._go_on()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self.since = time.monotonic()
        self._url = b""
        self._headers = {}
        self._body = b""
        self._head = self._head or 1  # it may have begun behind another one, in the same read
        self._in_body = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # behind a body in chunks there may come more, which nothing here reads
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._head = 0
        self._path, self._query = divided(self._url)
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
        self._head = 0
        if not self._body:
            self._body = body
        elif isinstance(self._body, bytearray):
            self._body += body
        else:
            self._body = bytearray(self._body) + body
        self._held += len(body)
        self._room.held += len(body)
        try:
            self._make_room(0)
        except RefusedError as error:
            self._refuse(error)

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        if self._parser.should_upgrade():
            # Only HTTP/1.1 is spoken here, so the request is answered as one that asked for nothing else; but the
            # parser has left its body to the other protocol.
            self._owed = int(self._headers.get(b"content-length", 0))
            if not self._owed:
                self._complete(last=True)
        else:
            self._complete(last=not self._parser.should_keep_alive())

    # From what was read to requests, and from these to answers.

    def _take_owed(self, data: bytes) -> None:
        owed, self._owed = data[: self._owed], max(0, self._owed - len(data))
        self.on_body(owed)
        if not (self._owed or self._deaf):
            self._complete(last=True)

    def _make_room(self, more: int) -> None:
        largest = self._app.settings.largest_body
        if len(self._body) + more > largest:
            raise TooLargeError(f"the body is larger than {largest} bytes")
        if self._room.held + more > self._room.most:
            raise OverloadedError(FULL)

    def _complete(self, *, last: bool) -> None:
        self._last = last
        request = self._taken()
        self._head = 0
        self._in_body = False
        self._enqueue(request)

    def _refuse(self, error: RefusedError) -> None:
        """Answers without the rest of the request, after what came before it, and hears no more."""
        if not (self._deaf or self._last):
            self._deaf = True
            self._head = 0
            self._enqueue(self._taken(), error)

    def _taken(self) -> Request:
        """The request, as far as it has come, which from here on is the answer's to hold."""
        if not self._in_body:
            return Request("", "", {}, b"")
        body, self._body = bytes(self._body), b""
        return Request(self._parser.get_method().decode(), self._path, self._headers, body, self._query)

    def _enqueue(self, request: Request, error: RefusedError | None = None) -> None:
        if self._task is None and self._writable:
            self._begin(request, error)
            return
        self._ahead.append((request, error))
        self._held += BYTES_AHEAD
        self._room.held += BYTES_AHEAD
        if len(self._ahead) > MOST_AHEAD:
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """With what has waited for an answer to be sent, or for the caller to take it."""
        if self._ahead and self._task is None:
            self._held -= BYTES_AHEAD
            self._room.held -= BYTES_AHEAD
            self._begin(*self._ahead.popleft())
        if self._writable and len(self._ahead) <= MOST_AHEAD:
            self._transport.resume_reading()

    def _begin(self, request: Request, error: RefusedError | None) -> None:
        if error is None:
            self._task = self._listener.loop.create_task(self._answer(request))
        else:
            self._send(request, self._app.refusal(error), len(request.body))

    async def _answer(self, request: Request) -> None:
        size = len(request.body)
        response = FAILED
        try:
            response = await self._app.respond(request)
        finally:  # also of a mistake of ours, whose traceback goes its own way
            self._task = None
            if self._transport.is_closing():
                self._listener.note(request, UNHEARD, size, self._caller)
            else:
                self._send(request, response, size)
                if self._ahead and self._writable:
                    self._go_on()

    def _send(self, request: Request, response: Response, size: int) -> None:
        """Answers, counts it, and notes it in the log. size: bytes of the body, as they came."""
        self._held -= size
        self._room.held -= size
        last = (self._last or self._deaf or self._listener.closing) and not self._ahead
        headers = self._listener.common_headers
        if last:
            headers += CLOSE
        elif b"connection" in request.headers:  # who speaks HTTP/1.0 takes the connection for closed, unless it is told
            headers += KEEP_ALIVE
        self._transport.write(written(response, headers, request.method))
        self.since = time.monotonic()
        self._listener.note(request, response, size, self._caller)
        if last and self._deaf:
            self._transport.write_eof()  # to close now would take the answer from a caller who still sends
        elif last:
            self._transport.close()
