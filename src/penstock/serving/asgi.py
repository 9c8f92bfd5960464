"""The same application for any ASGI server: `uvicorn penstock.serving.asgi:app`.

The models are those of the files and folders in PENSTOCK_MODELS, or of the project in the working directory.
PENSTOCK_TOKEN is the bearer token. Timeouts of connections, the access log and gRPC belong to `penstock serve`; the
ASGI server has its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from penstock.core.paths import Project
from penstock.serving.app import Application, create_app
from penstock.serving.auth import read_token
from penstock.serving.errors import PayloadTooLargeError, RequestError
from penstock.serving.http.messages import Request, Response
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.repository import Repository
from penstock.serving.settings import ServerConfig

MODELS_VARIABLE = "PENSTOCK_MODELS"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class AsgiApplication:
    """An ASGI 3 application (https://asgi.readthedocs.io); the models are loaded at startup, or by the first request.

    Args:
        folders: Returns the folders of <model>/model.onnx and validation.json.
        config: Returns the settings of the server.
    """

    def __init__(self, folders: Callable[[], Sequence[Path]], config: Callable[[], ServerConfig]) -> None:
        self._folders = folders
        self._config = config
        self._app: Application | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        elif scope["type"] == "http":
            app = self._app or self._start()
            request = Request(
                scope["method"], scope["path"], dict(scope["headers"]), b"", scope["query_string"].decode("latin-1")
            )
            response = await self._respond(app, request, receive)
            app.count(request, response)
            await _send_response(request, response, send)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self._start()
        except Exception as error:  # noqa: BLE001  (the server prints it and exits)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self) -> Application:
        """Load the models, and check for new files from now on."""
        config = self._config()
        repository = Repository(self._folders(), config.max_batch_size, allow_unvalidated=config.allow_unvalidated)
        repository.load()
        self._app = create_app(Engine(repository, config))
        self._watcher = asyncio.get_running_loop().create_task(repository.watch(config.poll_seconds))
        return self._app

    def _stop(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        if self._app is not None:
            self._app.engine.close()

    async def _respond(self, app: Application, request: Request, receive: Receive) -> Response:
        try:
            app.authorize(request.method, request.path, request.headers)
            request.body = await _read_body(receive, app.config.max_body_size)
            with app.engine.memory.reserve(len(request.body)):
                return await app.respond(request)
        except RequestError as error:
            return app.error_response(error, request)


async def _read_body(receive: Receive, max_size: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > max_size:
            raise PayloadTooLargeError(f"the body is larger than {max_size} bytes")
        if not message.get("more_body"):
            return bytes(body)


async def _send_response(request: Request, response: Response, send: Send) -> None:
    length = str(len(response.body)).encode()
    headers = [(b"content-type", response.media_type), (b"content-length", length), *response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else response.body})


def _folders_from_environment() -> Sequence[Path]:
    if folders := os.environ.get(MODELS_VARIABLE):
        return [Path(folder) for folder in folders.split(os.pathsep)]
    return Project.find().served


def _config_from_environment() -> ServerConfig:
    return ServerConfig(token=read_token(None))


app = AsgiApplication(_folders_from_environment, _config_from_environment)
