"""Send requests to a server with wrk (https://github.com/wg/wrk), as fast as it responds."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import ConfigError

SCRIPT = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True)
class Figures:
    requests_per_second: float
    p50_ms: float
    p99_ms: float


class FailedRequestsError(Exception):
    """A response is missing or is not 2xx, so the figures are void."""


def check_wrk() -> None:
    """Check that wrk is installed.

    Raises:
        ConfigError: It is not.
    """
    if not shutil.which("wrk"):
        raise ConfigError("wrk: not installed; `apt-get install wrk` on Debian, `brew install wrk` on a Mac")


def ask(address: str, path: str, bodies: Path, connections: int, seconds: int) -> Figures:
    """Run wrk.

    Args:
        address: Base URL of the server.
        path: Path of the requests.
        bodies: File with one request body per line.
        connections: Number of open connections.
        seconds: Duration.

    Raises:
        FailedRequestsError: A request failed, or none was answered.
    """
    command = ["wrk", "--threads", "1", "--connections", connections, "--duration", f"{seconds}s"]
    options = ["--timeout", "10s", "--script", SCRIPT, address, "--", bodies, path]
    said = subprocess.run(
        [str(part) for part in (*command, *options)], capture_output=True, text=True, check=True
    ).stdout
    seen = json.loads(said.splitlines()[-1])
    if failed := seen.pop("failed"):
        raise FailedRequestsError(f"{failed} of the requests to {address}{path} failed")
    if not seen["requests_per_second"]:
        raise FailedRequestsError(f"no request to {address}{path} was answered in {seconds} s")
    return Figures(**seen)
