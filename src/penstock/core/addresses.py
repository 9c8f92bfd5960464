"""Write addresses of servers, and check that one is free."""

from __future__ import annotations

import socket

from penstock.core.errors import ConfigError

LAST_PORT = 65535


def host_and_port(host: str, port: int) -> str:
    """Return host and port as a URL has them: an IPv6 address is in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def require_free_port(host: str, port: int) -> None:
    """Check that a server can listen on a port.

    Raises:
        ConfigError: The port is invalid, another program uses it, or this machine does not have the address.
    """
    if not 0 < port <= LAST_PORT:
        raise ConfigError(f"--port {port}: must be from 1 to {LAST_PORT}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise ConfigError(f"cannot listen on {host_and_port(host, port)} ({error}); choose another --port") from None
