"""Find a free port for a process, and wait for a process with a timeout."""

import socket
import time
from collections.abc import Callable

import httpx


def wait_until(condition: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Return whether a server responds to a GET request with success."""
    try:
        # Without certificates, which take 50 ms to load at every call.
        return httpx.get(url, timeout=5, verify=False).is_success
    except httpx.TransportError:
        return False
