"""The application: authentication, routing, compression and error responses of every HTTP request.

Each module of `rest/` has a function `add_routes(routes, engine)`; `create_app` lists them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from penstock.serving.auth import BearerAuth
from penstock.serving.cors import CorsPolicy
from penstock.serving.errors import RequestError
from penstock.serving.http.compression import accepted_encoding, compress, decompress
from penstock.serving.http.messages import Request, Response, json_response
from penstock.serving.http.routes import Handler, Routes
from penstock.serving.rest import explain, health, openapi, predict, static_files, v2
from penstock.serving.runtime.engine import Engine

# A compressed body of so many bytes may become a thousand times as large, and zlib takes milliseconds.
MAX_INLINE_COMPRESSED = 2048
MAX_INLINE_PLAIN = 128 * 2**10  # bytes of a response that is compressed on the event loop, in up to 3 ms
OK = 200
MODULES = (health, v2, predict, explain, openapi, static_files)


class Application:
    """Answer HTTP requests with the models of an engine; implements `http.application.HttpApplication`."""

    def __init__(self, routes: Routes, engine: Engine) -> None:
        self.routes = routes
        self.engine = engine
        self.config = engine.config
        self._auth = BearerAuth(engine.config.token)
        self._cors = CorsPolicy(engine.config.cors_origins) if engine.config.cors_origins else None

    def authorize(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Check a request before its body is read.

        Raises:
            UnauthorizedError: The token is missing or wrong.
        """
        if self._cors is None or not self._cors.is_preflight(method, headers):
            self._auth.check(path, headers)

    async def respond(self, request: Request) -> Response:
        """Answer an authorized request; an error becomes an error response."""
        if self._cors is not None and self._cors.is_preflight(request.method, request.headers):
            return self._cors.add_headers(request, self._cors.preflight_response(request))
        try:
            handler, request.path_parameters = self.routes.find(request.method, request.path)
            encoding = request.headers.get(b"content-encoding")
            response = await (handler(request) if encoding is None else self._decompress(handler, request, encoding))
        except RequestError as error:
            response = self.error_response(error, request)
        else:
            response = response if self._cors is None else self._cors.add_headers(request, response)
        accepted = request.headers.get(b"accept-encoding")
        chosen = None if accepted is None else accepted_encoding(accepted)
        if chosen is None:
            return response
        if len(response.body) <= MAX_INLINE_PLAIN:
            return compress(response, chosen)
        return await asyncio.to_thread(compress, response, chosen)

    def error_response(self, error: RequestError, request: Request) -> Response:
        """Return {"error": message} with the status and headers of the error."""
        response = json_response({"error": str(error)}, error.status, error.headers)
        return response if self._cors is None else self._cors.add_headers(request, response)

    def count(self, request: Request, response: Response) -> None:
        """Count a finished request, authorized or not, in the metrics of its model."""
        name = request.path_parameters.get("name", "")
        model = name if name in self.engine.repository.models else ""
        seconds = time.monotonic() - request.arrived
        metrics = self.engine.metrics.of(model)
        metrics.count_request("http", response.status, seconds)
        if request.method == "POST":  # the routes of models with this method are those of predictions
            metrics.count_inference(seconds, success=response.status == OK)

    async def _decompress(self, handler: Handler, request: Request, encoding: bytes) -> Response:
        if len(request.body) < MAX_INLINE_COMPRESSED:
            request.body = decompress(request.body, encoding, self.config.max_body_size)
        else:
            request.body = await asyncio.to_thread(decompress, request.body, encoding, self.config.max_body_size)
        with self.engine.memory.reserve(len(request.body)):
            return await handler(request)


def create_app(engine: Engine) -> Application:
    """Create the application that serves the models of an engine."""
    routes = Routes()
    for module in MODULES:
        module.add_routes(routes, engine)
    return Application(routes, engine)
