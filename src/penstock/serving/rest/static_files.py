"""The page at /, the API viewer at /docs, and the files of both.

Files are read once, when the server starts: no path of a request reaches the file system. The content security policy
tells browsers to load nothing from other servers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from penstock.serving.http.compression import accepted_encoding, compress
from penstock.serving.http.messages import Request, Response
from penstock.serving.http.routes import Handler, Routes
from penstock.serving.runtime.engine import Engine

FOLDER = Path(__file__).parents[1] / "ui"
MEDIA_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
}
# The API viewer has icons in data: URLs.
POLICY = (
    b"default-src 'self'; img-src 'self' data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)


def add_routes(routes: Routes, _engine: Engine) -> None:
    """Add a route for every file."""
    for path, file in _files():
        routes.add("GET", path, _handler(file))


def _files() -> Iterator[tuple[str, Path]]:
    yield "/", FOLDER / "index.html"
    yield "/docs", FOLDER / "docs.html"
    for file in sorted(FOLDER.rglob("*.*")):
        if file.suffix != ".html":
            yield f"/ui/{file.relative_to(FOLDER).as_posix()}", file


def _handler(file: Path) -> Handler:
    """Return a handler that sends the file, or 304 if the browser has it already; it is compressed only once."""
    body, media_type = file.read_bytes(), MEDIA_TYPES[file.suffix]
    etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:16].encode()
    headers = [*HEADERS, (b"etag", etag)]

    @cache
    def response(encoding: bytes | None) -> Response:
        plain = Response(body, 200, media_type, headers)
        return plain if encoding is None else compress(plain, encoding)

    async def send(request: Request) -> Response:
        if request.headers.get(b"if-none-match") == etag:
            return Response(b"", 304, media_type, headers)
        return response(accepted_encoding(request.headers.get(b"accept-encoding", b"")))

    return send
