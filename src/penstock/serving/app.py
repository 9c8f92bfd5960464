"""What is answered to whom, over HTTP: a request's way through token, route and compression, and refusals as
{"error": "..."}.

Routes live in files of their own, each with a function `add_routes(routes, engine)`; `create_app` lists them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from penstock.serving import explain, health, pages, people, v2
from penstock.serving.auth import Gate
from penstock.serving.bodies import packed, unpacked
from penstock.serving.engine import Engine
from penstock.serving.http import Handler, Headers, Request, Response, Routes, json_response
from penstock.serving.openapi import routes as openapi
from penstock.serving.refusals import RefusedError, TooLargeError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PARTS = (health, v2, people, explain, openapi, pages)


def create_app(engine: Engine) -> Application:
    """The application that serves the engine's models."""
    routes = Routes()
    for part in PARTS:
        part.add_routes(routes, engine)
    return Application(routes, engine)


class Application:
    """`respond` is all that our own server asks of it; it is an ASGI callable (https://asgi.readthedocs.io) as well."""

    def __init__(self, routes: Routes, engine: Engine) -> None:
        self.routes = routes
        self.engine = engine
        self.settings = engine.settings
        self._gate = Gate(engine.settings.token)

    def admit(self, path: str, headers: Headers) -> None:
        """Whether the body of a request is worth to be read; raises `UnauthorizedError`."""
        self._gate.admit(path, headers)

    async def respond(self, request: Request) -> Response:
        """The answer to a request that was admitted."""
        try:
            handler, request.names = self.routes.find(request.method, request.path)
            if (encoding := request.headers.get(b"content-encoding")) is None:
                response = await handler(request)
            else:
                response = await self._respond_unpacked(handler, request, encoding)
        except RefusedError as error:
            response = self.refusal(error)
        if (accepted := request.headers.get(b"accept-encoding")) is not None:
            response = packed(response, accepted)
        return response

    def refusal(self, error: RefusedError) -> Response:
        return json_response({"error": str(error)}, error.status, error.headers)

    def count(self, request: Request, response: Response) -> None:
        """Of every request once, whether it was admitted or not."""
        name = request.names.get("name", "")
        model = name if name in self.engine.repository.models else ""
        seconds = time.monotonic() - request.arrived
        self.engine.metrics.of(model).answered("http", str(response.status), seconds)

    async def _respond_unpacked(self, handler: Handler, request: Request, encoding: bytes) -> Response:
        request.body = unpacked(request.body, encoding, self.settings.largest_body)
        with self.engine.room.hold(len(request.body)):
            return await handler(request)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        query = scope["query_string"].decode("latin-1")
        request = Request(scope["method"], scope["path"], dict(scope["headers"]), b"", query)
        try:
            self.admit(request.path, request.headers)
            request.body = await self._body(receive)
            response = await self.respond(request)
        except RefusedError as error:
            response = self.refusal(error)
        self.count(request, response)
        length = str(len(response.body)).encode()
        shown = [(b"content-type", response.kind), (b"content-length", length), *response.headers]
        await send({"type": "http.response.start", "status": response.status, "headers": shown})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else response.body})

    async def _body(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self.settings.largest_body:
                raise TooLargeError(f"the body is larger than {self.settings.largest_body} bytes")
            if not message.get("more_body"):
                return bytes(body)
