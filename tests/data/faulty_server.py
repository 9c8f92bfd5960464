"""Run an HTTP server on a free port whose responses fail in a given way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


def whole(content: bytes) -> Answer:
    """Send the file, or the requested range."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        request.send_response(206 if wanted else 200)
        if wanted:
            request.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - first))
        request.end_headers()
        request.wfile.write(content[first:])

    return answer


def ignoring_ranges(content: bytes, encoding: str | None = None) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        _send_headers(request, content, {"Content-Encoding": encoding} if encoding else {})
        request.wfile.write(content)

    return answer


def sending_range(content: bytes, content_range: str | None) -> Answer:
    """Send the whole file as a partial response with the given Content-Range."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        _send_headers(
            request,
            content,
            {"Content-Range": content_range.encode().decode("latin-1")} if content_range else {},
            code=206,
        )
        request.wfile.write(content)

    return answer


def truncated(content: bytes, after: int) -> Answer:
    """Declare the full length, send `after` bytes, and close the connection."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        _send_headers(request, content)
        request.wfile.write(content[:after])
        request.wfile.flush()
        request.connection.close()

    return answer


def stalled(content: bytes, after: int, seconds: float) -> Answer:
    """Send `after` bytes, and then nothing for `seconds`."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        _send_headers(request, content)
        request.wfile.write(content[:after])
        request.wfile.flush()
        time.sleep(seconds)

    return answer


def _send_headers(
    request: BaseHTTPRequestHandler, content: bytes, headers: Mapping[str, str] | None = None, code: int = 200
) -> None:
    request.send_response(code)
    request.send_header("Content-Length", str(len(content)))
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.end_headers()


def status(code: int) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


class Server:
    """Send `answers` one after the other, the last one repeatedly, and record path and range in `requests`."""

    def __init__(self, address: str, answers: list[Answer]) -> None:
        self.address = address
        self.answers = answers
        self.requests: list[tuple[str, str | None]] = []

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serve(*answers: Answer) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append((self.path, self.headers.get("Range")))
            server.next()(self)

        def log_message(self, *_arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.handle_error = lambda *_arguments: None  # type: ignore[method-assign]  # clients hang up on purpose
    server = Server(f"http://127.0.0.1:{http.server_port}/", list(answers))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
