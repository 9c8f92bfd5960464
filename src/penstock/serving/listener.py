"""The server's side of all connections: who is connected, what is noted of their requests, and how it ends."""

from __future__ import annotations

import asyncio
import os
import time
from email.utils import formatdate

from penstock.core.errors import PenstockError
from penstock.serving.access_log import AccessLog
from penstock.serving.app import Application
from penstock.serving.connection import Connection
from penstock.serving.http import Request, Response
from penstock.serving.settings import Settings

LOOK_SECONDS = 1.0
CLOSING_LOOK_SECONDS = 0.02


class Listener:
    """connections: those that are open; common_headers: of every answer; closing: whether answers are the last of their
    connection."""

    def __init__(self, app: Application, settings: Settings, access_log: AccessLog | None = None) -> None:
        self.app = app
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.closing = False
        self.common_headers = b""
        self.connections: set[Connection] = set()
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
            # asyncio's own message says the address again; a name that is not known has no number above 0.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise PenstockError(f"{self.settings.address(port)}: cannot listen there ({reason})") from None

    async def close(self) -> None:
        """Answers what has come, and what callers send in the next moment, and then listens no more."""
        self.closing = True
        await _hear_for(self.settings.grace)
        if self._server is not None:
            self._server.close()
        late = time.monotonic() + self.settings.timeout
        while self.connections and time.monotonic() < late:
            await _hear_for(CLOSING_LOOK_SECONDS)
            for connection in [one for one in self.connections if one.idle]:
                connection.close()

    def take(self, connection: Connection) -> None:
        self.connections.add(connection)
        if len(self.connections) > self.settings.connections:
            connection.turn_away()

    def lose(self, connection: Connection, held: int) -> None:
        self.connections.discard(connection)
        self.app.engine.room.held -= held

    def note(self, request: Request, response: Response, size: int, caller: str) -> None:
        """Counts a request that is over, and puts it into the log. size: bytes of its body, as they came."""
        self.app.count(request, response)
        if self._access_log is not None:
            self._access_log.add(request, response, size, caller)

    def _look(self) -> None:
        self.common_headers = f"server: penstock\r\ndate: {formatdate(usegmt=True)}\r\n".encode()
        now = time.monotonic()
        for connection in list(self.connections):
            connection.look(now, self.settings.timeout)
        self.loop.call_later(LOOK_SECONDS, self._look)


async def _hear_for(seconds: float) -> None:
    """Waits, and then for the loop to take what has come meanwhile: what is closed with something in it breaks off."""
    await asyncio.sleep(seconds)
    for _ in range(2):
        await asyncio.sleep(0)
