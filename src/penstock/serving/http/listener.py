"""Accept connections, watch their timeouts, and close them gracefully."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from email.utils import formatdate
from typing import Any

from penstock.core.errors import PenstockError
from penstock.serving.access_log import AccessLog
from penstock.serving.http.application import HttpApplication
from penstock.serving.http.connection import LINGER_SECONDS, Connection
from penstock.serving.http.messages import Request, Response
from penstock.serving.runtime.memory_budget import MemoryBudget
from penstock.serving.settings import ServerConfig
from penstock.serving.tls import server_context

CHECK_SECONDS = 1.0
CLOSING_CHECK_SECONDS = 0.02


class Listener:
    """Serve an application over HTTP/1.1 in the running event loop; implements `connection.ConnectionOwner`."""

    def __init__(
        self, app: HttpApplication, config: ServerConfig, memory: MemoryBudget, access_log: AccessLog | None = None
    ) -> None:
        self.app = app
        self.config = config
        self.memory = memory
        self.max_body_size = config.max_body_size
        self.loop = asyncio.get_running_loop()
        self.closing = False
        self.common_headers = b""
        self.connections: set[Connection] = set()
        self._access_log = access_log
        self._server: asyncio.Server | None = None
        self._tls: dict[str, Any] = {}
        self._check()

    async def open(self) -> None:
        """Bind the address and listen.

        Raises:
            ConfigError: The certificate or its key is not usable.
            PenstockError: The address is in use or not available.
        """
        host, port = self.config.host, self.config.port
        self._tls = self._tls_options()
        try:
            self._server = await self.loop.create_server(
                lambda: Connection(self), host, port, backlog=1024, **self._tls
            )
        except OSError as error:
            # asyncio's own message repeats the address; an unknown host name has no positive errno.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise PenstockError(f"{self.config.address(port)}: cannot listen there ({reason})") from None

    async def close(self) -> None:
        """Answer open requests and those of the grace period, then stop listening."""
        self.closing = True
        await _wait(self.config.shutdown_grace)
        if self._server is not None:
            server, self._server = self._server, None
            await self._stop_listening(server)
        deadline = time.monotonic() + self.config.timeout
        while self.connections and time.monotonic() < deadline:
            await _wait(CLOSING_CHECK_SECONDS)
            for connection in [connection for connection in self.connections if connection.idle]:
                connection.close()

    async def _stop_listening(self, server: asyncio.Server) -> None:
        """Accept every connection that the system has made, then close the sockets: it would reset the others."""
        listening = [socket.socket(fileno=os.dup(each.fileno())) for each in server.sockets]
        for each in server.sockets:
            self.loop.remove_reader(each.fileno())
        await _wait(0)  # a closed server loses what asyncio has accepted and not yet made a connection
        server.close()
        accepted = [each for one in listening for each in _accept_all(one)]
        with suppress(TimeoutError):  # of TLS handshakes
            async with asyncio.timeout(LINGER_SECONDS):
                await asyncio.gather(*map(self._adopt, accepted), return_exceptions=True)

    async def _adopt(self, accepted: socket.socket) -> None:
        await self.loop.connect_accepted_socket(lambda: Connection(self), accepted, **self._tls)

    def connected(self, connection: Connection) -> None:
        self.connections.add(connection)
        if len(self.connections) > self.config.max_connections:
            connection.reject()

    def disconnected(self, connection: Connection) -> None:
        self.connections.discard(connection)

    def finished(self, request: Request, response: Response, size: int, client: str) -> None:
        self.app.count(request, response)
        if self._access_log is not None:
            self._access_log.add(
                client=client,
                method=request.method,
                path=request.path,
                status=response.status,
                seconds=time.monotonic() - request.arrived,
                bytes_in=size,
                bytes_out=len(response.body),
            )

    def _tls_options(self) -> dict[str, Any]:
        context = server_context(self.config)
        if context is None:
            return {}
        return {
            "ssl": context,
            "ssl_handshake_timeout": self.config.timeout,
            "ssl_shutdown_timeout": LINGER_SECONDS,
        }

    def _check(self) -> None:
        self.common_headers = f"server: penstock\r\ndate: {formatdate(usegmt=True)}\r\n".encode()
        now = time.monotonic()
        for connection in list(self.connections):
            connection.check_timeouts(now, self.config.timeout, self.config.keep_alive_timeout)
        self.loop.call_later(CHECK_SECONDS, self._check)


def _accept_all(listening: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that wait for accept, then close the listening socket."""
    with listening, suppress(OSError):
        listening.setblocking(False)
        while True:
            yield listening.accept()[0]


async def _wait(seconds: float) -> None:
    """Sleep, then let the event loop read what has arrived: closing a socket with unread input resets it."""
    await asyncio.sleep(seconds)
    for _ in range(2):
        await asyncio.sleep(0)
