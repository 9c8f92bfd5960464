"""The ASGI application: reads whole requests, finds their route, and turns refusals into {"error": "..."}.

Routes live in files of their own, each with a function `add_routes(routes, engine)`; `create_app` lists them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from penstock.serving import people, v2
from penstock.serving.engine import Engine
from penstock.serving.http import Request, Response, Routes, WrongMethodError, json_response
from penstock.serving.refusals import OverloadedError, RefusedError, TooLargeError, UnauthorizedError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LARGEST_BODY = 16 * 2**20


def create_app(engine: Engine) -> Application:
    """The application that serves the engine's models over HTTP."""
    routes = Routes()
    for part in (v2, people):
        part.add_routes(routes, engine)
    return Application(routes)


class Application:
    """An ASGI callable (https://asgi.readthedocs.io)."""

    def __init__(self, routes: Routes) -> None:
        self.routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            handler, names = self.routes.find(scope["method"], scope["path"])
            body = await _body(receive)
            response = await handler(Request(scope["method"], scope["path"], names, scope["headers"], body))
        except RefusedError as error:
            response = refusal(error)
        await send(_start(response))
        await send({"type": "http.response.body", "body": response.body})


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > LARGEST_BODY:
            raise TooLargeError(f"the body is larger than {LARGEST_BODY} bytes")
        if not message.get("more_body"):
            return body


def _start(response: Response) -> MutableMapping[str, Any]:
    headers = [
        (b"content-type", response.kind),
        (b"content-length", str(len(response.body)).encode()),
        *response.headers,
    ]
    return {"type": "http.response.start", "status": response.status, "headers": headers}


def refusal(error: RefusedError) -> Response:
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(error, OverloadedError):
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if isinstance(error, UnauthorizedError):
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, WrongMethodError):
        headers.append((b"allow", ", ".join(error.allowed).encode()))
    return json_response({"error": str(error)}, error.status, headers)
