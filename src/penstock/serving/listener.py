"""The server's side of all connections: who is connected, how much they hold, and how it ends."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

from penstock.errors import PenstockError
from penstock.serving.access_log import AccessLog
from penstock.serving.app import Application
from penstock.serving.connection import Connection
from penstock.serving.http import Request, Response
from penstock.serving.settings import Settings

LOOK_SECONDS = 1.0
CLOSING_LOOK_SECONDS = 0.02


class Listener:
    """held: bytes of bodies that are being read or answered; common_headers: of every answer; closing: whether answers
    are the last of their connection."""

    def __init__(self, app: Application, settings: Settings, access_log: AccessLog | None = None) -> None:
        self.app = app
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.held = 0
        self.closing = False
        self.common_headers = b""
        self._connections: set[Connection] = set()
        self._access_log = access_log
        self._server: asyncio.Server | None = None
        self._look()

    async def open(self) -> None:
        """Binds the address, and listens.

        Raises:
            PenstockError: it is taken, or not ours.
        """
        host, port = self.settings.host, self.settings.port
        try:
            self._server = await self.loop.create_server(lambda: Connection(self), host, port, backlog=1024)
        except OSError as error:
            raise PenstockError(f"{host}:{port}: cannot listen there ({error.strerror or error})") from None

    async def close(self) -> None:
        """Answers what has come, and what callers send in the next moment, and then listens no more."""
        self.closing = True
        await asyncio.sleep(self.settings.grace)
        if self._server is not None:
            self._server.close()
        late = time.monotonic() + self.settings.timeout
        while self._connections and time.monotonic() < late:
            for connection in [one for one in self._connections if one.idle]:
                connection.close()
            await asyncio.sleep(CLOSING_LOOK_SECONDS)

    def take(self, connection: Connection) -> None:
        self._connections.add(connection)
        if len(self._connections) > self.settings.connections:
            connection.close()

    def lose(self, connection: Connection, held: int) -> None:
        self._connections.discard(connection)
        self.held -= held

    def log(self, request: Request, response: Response, size: int, caller: str) -> None:
        if self._access_log is not None:
            self._access_log.add(request, response, size, caller)

    def _look(self) -> None:
        self.common_headers = f"server: penstock\r\ndate: {formatdate(usegmt=True)}\r\n".encode()
        now = time.monotonic()
        for connection in list(self._connections):
            connection.look(now, self.settings.timeout)
        self.loop.call_later(LOOK_SECONDS, self._look)
