"""Start and end the processes that upload events to MLflow."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from penstock.tracking.uri import URI

SECONDS_TO_FINISH = 180.0


def start_uploader(module: str, path: Path, uri: str) -> subprocess.Popen[bytes]:
    """Start a module of this package with a path as its argument, and the tracking URI in its environment.

    Raises:
        OSError: The process cannot be started.
    """
    command = [sys.executable, "-m", f"{__package__}.{module}", str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | {URI: uri})


def finish_uploader(process: subprocess.Popen[bytes]) -> int:
    """Close standard input, which tells the process to end, and return its exit code; kill it after a timeout."""
    assert process.stdin
    with suppress(BrokenPipeError):
        process.stdin.close()
    try:
        return process.wait(SECONDS_TO_FINISH)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
