"""Run `penstock serve` in a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock.config.models import ModelConfigs
from tests.helpers.processes import answers, free_port, wait_until


def names_served(models: ModelConfigs) -> set[str]:
    """Return the names of all models and of the int8 candidates that are served."""
    return {*models, *(f"{name}.int8" for name, model in models.items() if model.int8.serve)}


@dataclass(frozen=True)
class Served:
    """Addresses and process of a server."""

    http: str
    grpc: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://{self.http}"


@contextmanager
def serving(folder: Path, *options: str, port: int | None = None, **environment: str) -> Iterator[Served]:
    """Serve the models of the project in `folder` by both protocols; SIGTERM ends the server with exit code 0."""
    http, grpc = port or free_port(), free_port()
    command = [sys.executable, "-m", "penstock.cli", "serve", "--port", str(http), "--grpc-port", str(grpc), *options]
    process = subprocess.Popen(command, cwd=folder, env=os.environ | environment)
    served = Served(f"127.0.0.1:{http}", f"127.0.0.1:{grpc}", process)
    try:
        wait_until(lambda: answers(f"{served.url}/v2/health/ready"))
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
