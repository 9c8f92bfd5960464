"""The page to play with at /, the readable API document at /docs, and the files that both are made of.

Files are read once, when the server starts: no path of a request reaches the file system. Browsers are told to load
nothing from anywhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from penstock.serving.engine import Engine
from penstock.serving.http import Handler, Request, Response, Routes

FOLDER = Path(__file__).with_name("page")
KINDS = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
# What a browser may do with these files: run what this server sends, talk to it, and nothing else.
POLICY = b"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


def add_routes(routes: Routes, _engine: Engine) -> None:
    for path, file in _files():
        routes.add("GET", path, _sender(file))


def _files() -> Iterator[tuple[str, Path]]:
    yield "/", FOLDER / "index.html"
    yield "/docs", FOLDER / "docs.html"
    for file in sorted(FOLDER.rglob("*.*")):
        if file.suffix != ".html":
            yield f"/page/{file.relative_to(FOLDER).as_posix()}", file


def _sender(file: Path) -> Handler:
    """Sends the whole file, or only that it is still the one the browser has."""
    body, kind = file.read_bytes(), KINDS[file.suffix]
    tag = b'"%s"' % hashlib.sha256(body).hexdigest()[:16].encode()
    headers = [*HEADERS, (b"cache-control", b"no-cache"), (b"etag", tag)]

    async def send(request: Request) -> Response:
        if request.headers.get(b"if-none-match") == tag:
            return Response(b"", 304, kind, headers)
        return Response(body, 200, kind, headers)

    return send
