"""HTTP/1.1 on one client's socket.

Requests are answered one after another, in the order of their arrival. A request that is too large, too slow or not
HTTP is rejected before it is complete, and the client gets time to read the response.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol, cast

import httptools

from penstock.serving.errors import (
    INTERNAL_ERROR,
    HeadersTooLargeError,
    HttpVersionError,
    InputError,
    MethodNotAllowedError,
    OverloadedError,
    PayloadTooLargeError,
    RequestError,
    RequestTimeoutError,
)
from penstock.serving.http.application import HttpApplication
from penstock.serving.http.messages import Request, Response, json_response
from penstock.serving.http.repeated_head import MAX_UNUSED, RepeatedHead, repeated_head
from penstock.serving.http.wire import CLOSE, HOST, KEEP_ALIVE, encode_response, split_target
from penstock.serving.runtime.memory_budget import LARGE_BODY, MEMORY_FULL, MemoryBudget

MAX_HEADER_SIZE = 64 * 2**10
MAX_PIPELINED = 16  # complete requests in the pipeline; then reading pauses
READ_PIECE = 32 * 2**10  # bytes that are parsed at once; a larger read gives way to other connections
TLS_PIECE = 256 * 2**10  # bytes that are encrypted at once, in less than 1 ms
PIPELINED_REQUEST_BYTES = 2**10  # memory of each besides its body; one read may bring thousands
VERSIONS = ("1.1", "1.0")
CHUNKED = b"chunked"  # the coding of a body of unknown length
LINGER_SECONDS = 2.0  # for the client to read why it was rejected, and to stop sending
FAILED = json_response({"error": INTERNAL_ERROR}, 500)
CLIENT_CLOSED_REQUEST = Response(b"", 499)  # nginx's status for a client that closed before its response; never sent


class ConnectionOwner(Protocol):
    """The listener, as its connections see it."""

    app: HttpApplication
    memory: MemoryBudget
    max_body_size: int
    loop: asyncio.AbstractEventLoop
    closing: bool
    """Whether each response is the last of its connection."""
    common_headers: bytes
    """Header lines of every response."""

    def connected(self, connection: Connection) -> None:
        """Take note of a new connection."""

    def disconnected(self, connection: Connection) -> None:
        """Forget a connection."""

    def finished(self, request: Request, response: Response, size: int, client: str) -> None:
        """Count and log a request. size: bytes of its body as received."""


class Connection(asyncio.Protocol):
    """One connection, from accept to close; implements the callbacks of httptools' parser as well."""

    def __init__(self, owner: ConnectionOwner) -> None:
        self._owner = owner
        self._app = owner.app
        self._memory = owner.memory
        self._transport = cast(asyncio.Transport, None)
        self._parser = httptools.HttpRequestParser(self)
        self._pipeline: deque[tuple[Request, RequestError | None]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._last_activity = time.monotonic()  # a request began, a response was sent or partly taken
        self._writable = True  # the client takes its responses
        self._last = False  # no request follows the one that is being answered
        self._discarding = False  # further input is ignored
        self._reserved = 0  # bytes of requests without a response, in the memory budget
        self._unparsed = memoryview(b"")  # input after the piece that was parsed last; reading pauses meanwhile
        self._continues_reading = False
        self._unsent = 0  # bytes of responses in the write buffer at the last check
        self._drained: asyncio.Future[None] | None = None  # the next piece of a large response can be written
        self._held = 0  # bytes of a response that the client has not read, as part of `_reserved`
        self._client = ""
        self._host: bytes | None = None  # the last valid header Host; clients repeat it, and the target
        self._target = b""
        self._awaits_continue = False  # the client waits for "100 Continue" before it sends the body
        self._head: RepeatedHead | None = None  # of the last request that one read brought whole
        self._unused_heads = 0  # since a head was repeated
        # The request that is being received.
        self._head_size = 0  # bytes since the headers, or the last piece of the body, were complete
        self._in_body = False
        self._begun = 0  # requests in this read
        self._url = b""
        self._method = self._path = self._query = ""
        self._headers: dict[bytes, bytes] = {}
        self._lists: dict[bytes, list[bytes]] = {}  # values of the headers that have several lines, until all are there
        self._body: bytes | bytearray = b""

    @property
    def idle(self) -> bool:
        """Whether there is no request without a response."""
        return self._task is None and not (self._pipeline or self._head_size or self._in_body or self._unparsed)

    @property
    def _encrypted(self) -> bool:
        return self._transport.get_extra_info("sslcontext") is not None

    def close(self) -> None:
        self._transport.close()

    def reject(self) -> None:
        """Answer 503 and close: there are too many connections."""
        self._reject(OverloadedError("too many open connections; try again"))
        self._transport.close()

    def check_timeouts(self, now: float, timeout: float, keep_alive_timeout: float) -> None:
        """Close the connection if the client is too slow; called about once a second.

        Args:
            now: The time, by `time.monotonic`.
            timeout: Seconds for a client to send a request, or to read some of its responses.
            keep_alive_timeout: Seconds between two requests.
        """
        unsent, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        if self._unsent < unsent:
            self._last_activity = now
        waited = now - self._last_activity
        if self._unsent:
            if waited > timeout:
                self._transport.abort()
        elif self._task is not None:
            return
        elif self._discarding:
            if waited > LINGER_SECONDS:
                self._transport.close()
        elif self._head_size or self._in_body:
            if waited > timeout:
                self._reject(RequestTimeoutError(f"the request did not arrive within {timeout:g} s"))
        elif waited > keep_alive_timeout:
            self._transport.close()

    # Callbacks of the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("gone", 0)  # disconnected before accept
        self._client = f"{peer[0]}:{peer[1]}"
        self._owner.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.disconnected(self)
        self._memory.release(self._reserved)
        unanswered = [request for request, _ in self._pipeline]
        if self._in_body and not self._discarding:
            unanswered.append(self._take_request())
        for request in unanswered:
            self._owner.finished(request, CLIENT_CLOSED_REQUEST, len(request.body), self._client)
        self._pipeline.clear()
        self._unparsed = memoryview(b"")
        if self._task is not None:
            self._task.cancel()
        # The parser and its connection refer to each other, and would keep the body until a garbage collection.
        self._parser = cast(httptools.HttpRequestParser, None)

    def data_received(self, data: bytes) -> None:
        if self._unparsed:
            self._unparsed = memoryview(b"".join((self._unparsed, data)))
            return
        if self._head is not None and self._take_repeated(self._head, data):
            return
        if len(data) > READ_PIECE:
            # uvloop would go on reading from a client that sends fast, and no other connection would be served.
            self._transport.pause_reading()
            data, self._unparsed = data[:READ_PIECE], memoryview(data)[READ_PIECE:]
            self._continue_reading()
        self._receive(data)

    def _take_repeated(self, head: RepeatedHead, data: bytes) -> bool:
        """Take data that are one whole request with a known head; return whether they are."""
        if self._head_size or self._in_body or self._discarding or self._last or len(data) > READ_PIECE:
            return False
        request = head.parse(data)
        if request is None:
            return False
        size = len(request.body)
        if size > self._owner.max_body_size or self._memory.used + size > self._memory.limit:
            return False  # the parser's path rejects it
        self._unused_heads = 0
        self._last_activity = request.arrived
        self._reserve(size)
        self._enqueue(request)
        return True

    def _receive(self, data: bytes) -> None:
        """Feed the parser."""
        if self._discarding or self._last:
            return
        between_requests = not (self._head_size or self._in_body)
        if between_requests:
            data = data.lstrip(b"\r\n")  # empty lines before a request are no part of it (RFC 9112, section 2.2)
        self._begun = 0
        while data:
            self._head_size += len(data)
            try:
                self._parser.feed_data(data)
                if between_requests and self._unused_heads < MAX_UNUSED:
                    self._keep_head(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                if self._discarding:
                    break
                self._decline_upgrade()
                between_requests = False
                data = data[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                self._reject(self._not_http(error))
                break
        if self._head_size > MAX_HEADER_SIZE:
            self._reject(HeadersTooLargeError(f"the headers are larger than {MAX_HEADER_SIZE} bytes"))

    def _keep_head(self, data: bytes) -> None:
        """Keep the head of a request, if the data were exactly one that leaves the connection open."""
        if self._begun == 1 and not (self._head_size or self._in_body or self._discarding or self._last):
            self._unused_heads += 1
            self._head = repeated_head(data, self._method, self._path, self._query, self._headers)

    def eof_received(self) -> bool:
        """Keep the connection half open: a client that has finished sending may still read its response."""
        self._last = True
        return self._task is not None and not self._encrypted  # TLS has no half-open connections

    def pause_writing(self) -> None:
        self._writable = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._writable = True
        if self._drained is None:
            self._hold(0)
        self._drain()
        self._continue_pipeline()

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        self._last_activity = time.monotonic()
        self._begun += 1
        self._in_body = False
        self._url = b""
        self._headers = {}
        self._lists = {}
        self._body = b""
        self._head_size = self._head_size or 1  # it may follow another request in the same read

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:  # trailers after a chunked body are ignored
            return
        name, value = name.lower(), value.rstrip(b" \t")
        if name in self._headers:
            self._lists.setdefault(name, [self._headers[name]]).append(value)
        else:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        if self._lists:  # lines of one name are a list (RFC 9110, section 5.3)
            self._headers |= {name: b", ".join(values) for name, values in self._lists.items()}
            self._lists = {}
        method = self._parser.get_method()
        if self._parser.should_upgrade() and method != b"CONNECT":
            return  # `_decline_upgrade` has them parsed again
        self._in_body = True
        self._head_size = 0
        self._method = method.decode()
        if self._url != self._target:
            self._target = self._url
            self._path, self._query = split_target(self._url)
        version = self._parser.get_http_version()
        try:
            self._check_head(version)
            self._app.authorize(self._method, self._path, self._headers)
            self._check_size(int(self._headers.get(b"content-length", 0)))
        except RequestError as error:
            self._reject(error)
            return
        # An HTTP/1.0 client does not know the status 100.
        if version == "1.1" and self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._awaits_continue = True
            self._continue_body()

    def on_body(self, body: bytes) -> None:
        if self._discarding:
            return
        self._head_size = 0
        self._awaits_continue = False
        if not self._body:
            self._body = body
        elif isinstance(self._body, bytearray):
            self._body += body
        else:
            self._body = bytearray(self._body) + body
        self._reserve(len(body))
        try:
            self._check_size(0)
        except RequestError as error:
            self._reject(error)

    def on_message_complete(self) -> None:
        if not (self._discarding or self._parser.should_upgrade()):
            self._complete(last=not self._parser.should_keep_alive())

    # From bytes to requests, and from requests to responses.

    def _not_http(self, error: httptools.HttpParserError) -> RequestError:
        if self._parser.get_method() == b"PRI":  # the first word of HTTP/2 (RFC 9113, section 3.4)
            return HttpVersionError("HTTP/2 is not supported; send HTTP/1.1, or send gRPC to the --grpc-port")
        return InputError(f"this is not HTTP: {error}")

    def _decline_upgrade(self) -> None:
        """Parse the headers again without the offer of another protocol, so that the body is read as HTTP/1.1.

        The parser leaves the body to the other protocol, and a server may ignore the offer (RFC 9110, section 7.8).
        """
        version = self._parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self._parser.get_method(), self._url, version)]
        lines += [b"%b: %b" % header for header in self._headers.items() if header[0] != b"upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def _check_head(self, version: str) -> None:
        """Raise where HTTP/1.1 does not allow the request line or the header Host."""
        if version not in VERSIONS:
            raise HttpVersionError(f"HTTP/{version} is not supported; send HTTP/1.1 or HTTP/1.0")
        if self._method == "CONNECT":
            raise MethodNotAllowedError("CONNECT is for proxies, which this server is not", ["GET", "HEAD", "POST"])
        coding = self._headers.get(b"transfer-encoding")
        if coding is not None and coding.lower() != CHUNKED:
            raise InputError(f"Transfer-Encoding: expected chunked, not '{coding.decode('latin-1')}'")
        host = self._headers.get(b"host")
        if host is None:
            if version == "1.1":
                raise InputError("the header Host is missing")
        elif host != self._host:
            if not HOST.fullmatch(host):
                raise InputError(f"Host: expected one host with an optional port, not '{host.decode('latin-1')}'")
            self._host = host

    def _continue_body(self) -> None:
        """Ask a waiting client for the body, once the requests before it have been answered."""
        if self._task is None and not (self._pipeline or self._discarding):
            self._awaits_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _reserve(self, size: int) -> None:
        self._reserved += size
        self._memory.used += size

    def _hold(self, size: int) -> None:
        """Count a response until the client has read it."""
        self._reserve(size - self._held)
        self._held = size

    def _check_size(self, more: int) -> None:
        """Raise where the body, with `more` bytes, is too large for one request or for the memory budget."""
        max_size = self._owner.max_body_size
        if len(self._body) + more > max_size:
            raise PayloadTooLargeError(f"the body is larger than {max_size} bytes")
        if self._memory.used + more > self._memory.limit:
            raise OverloadedError(MEMORY_FULL)

    def _complete(self, *, last: bool) -> None:
        self._last = last
        request = self._take_request()
        self._head_size = 0
        self._in_body = self._awaits_continue = False
        self._enqueue(request)

    def _reject(self, error: RequestError) -> None:
        """Answer without the rest of the request, after the requests before it, and ignore further input."""
        if not (self._discarding or self._last):
            self._discarding = True
            self._head_size = 0
            self._enqueue(self._take_request(), error)

    def _take_request(self) -> Request:
        """Return the request as far as it has arrived."""
        if not self._in_body:
            return Request("", "", {}, b"")
        body, self._body = bytes(self._body), b""
        return Request(self._method, self._path, self._headers, body, self._query)

    def _enqueue(self, request: Request, error: RequestError | None = None) -> None:
        if self._task is None and self._writable:
            self._begin_response(request, error)
            return
        self._pipeline.append((request, error))
        self._reserve(PIPELINED_REQUEST_BYTES)
        if len(self._pipeline) > MAX_PIPELINED:
            self._transport.pause_reading()

    def _continue_pipeline(self) -> None:
        if self._pipeline and self._task is None:
            self._reserve(-PIPELINED_REQUEST_BYTES)
            self._begin_response(*self._pipeline.popleft())
        self._continue_reading()

    def _continue_reading(self) -> None:
        """Parse or read more, after other connections have had their turn."""
        if not self._continues_reading:
            self._continues_reading = True
            self._owner.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._continues_reading = False
        if not self._writable or len(self._pipeline) > MAX_PIPELINED or self._transport.is_closing():
            return
        if not self._unparsed:
            self._transport.resume_reading()
            return
        data, self._unparsed = bytes(self._unparsed[:READ_PIECE]), self._unparsed[READ_PIECE:]
        self._continue_reading()
        self._receive(data)

    def _begin_response(self, request: Request, error: RequestError | None) -> None:
        if error is None:
            self._task = self._owner.loop.create_task(self._respond(request))
        else:
            self._send(request, self._app.error_response(error, request), len(request.body))

    async def _respond(self, request: Request) -> None:
        size = len(request.body)
        response, last = FAILED, None
        try:
            response = await self._app.respond(request)
            if len(response.body) >= LARGE_BODY and self._encrypted and request.method != "HEAD":
                last = await self._write_by_pieces(request, response)
        finally:  # also after a bug, whose traceback the event loop logs
            self._task = None
            if self._transport.is_closing():
                self._owner.finished(request, CLIENT_CLOSED_REQUEST, size, self._client)
            else:
                last = self._write(request, response) if last is None else last
                self._sent(request, response, size, last=last)
                if self._pipeline and self._writable:
                    self._continue_pipeline()

    def _send(self, request: Request, response: Response, size: int) -> None:
        """Write a response. size: bytes of the request body as received."""
        self._sent(request, response, size, last=self._write(request, response))

    def _write(self, request: Request, response: Response) -> bool:
        """Write head and body; return whether the head says that the response is the last."""
        last, headers = self._last_and_headers(request)
        if len(response.body) < LARGE_BODY:
            self._transport.write(encode_response(response, headers, request.method))
        else:  # without a copy of the body
            self._transport.write(encode_response(response, headers, "HEAD"))
            self._transport.write(b"" if request.method == "HEAD" else response.body)
        if not self._writable:
            self._hold(len(response.body))
        return last

    async def _write_by_pieces(self, request: Request, response: Response) -> bool:
        """Write a response as `_write` does, with others' turns in between: TLS encrypts at once what is written."""
        last, headers = self._last_and_headers(request)
        self._hold(len(response.body))
        self._transport.write(encode_response(response, headers, "HEAD"))
        body = memoryview(response.body)
        try:
            for first in range(0, len(body), TLS_PIECE):
                self._transport.write(body[first : first + TLS_PIECE])
                self._last_activity = time.monotonic()
                self._drained = self._owner.loop.create_future()
                if self._writable:
                    self._owner.loop.call_soon(self._drain)
                await self._drained
        except asyncio.CancelledError:  # the server ends: a client must not take what follows for the rest of the body
            self._transport.abort()
            raise
        self._hold(0)
        return last

    def _drain(self) -> None:
        """Let the next piece of a response be written."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def _last_and_headers(self, request: Request) -> tuple[bool, bytes]:
        """Return whether the response to a request is the last, and the header lines that its head has anyway."""
        last = (self._last or self._discarding or self._owner.closing) and not self._pipeline
        headers = self._owner.common_headers
        if last:
            headers += CLOSE
        elif b"connection" in request.headers:  # an HTTP/1.0 client must be told that the connection stays open
            headers += KEEP_ALIVE
        return last, headers

    def _sent(self, request: Request, response: Response, size: int, *, last: bool) -> None:
        """Count a written response, and close the connection if it is the last."""
        self._reserved -= size
        self._memory.release(size)
        self._last_activity = time.monotonic()
        self._owner.finished(request, response, size, self._client)
        if last and self._discarding:
            if not self._encrypted:
                self._transport.write_eof()
            # closing now would reset a client that still sends, before it has read this
        elif last:
            self._transport.close()
        elif self._awaits_continue:
            self._continue_body()
