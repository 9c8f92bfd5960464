"""`penstock serve` in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock.config.models import ADOPTED, ModelConfigs
from tests.helpers.processes import answers, free_port, wait_until


def names_served(models: ModelConfigs) -> set[str]:
    """Every model, and the int8 candidates that are adopted."""
    return {*models, *(f"{name}.int8" for name, model in models.items() if model.int8 == ADOPTED)}


@dataclass(frozen=True)
class Served:
    """Where it answers, and the process."""

    http: str
    grpc: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://{self.http}"


@contextmanager
def serving(folder: Path, *options: str, port: int | None = None, **environment: str) -> Iterator[Served]:
    """Both protocols, for the models of the project in `folder`; ended by SIGTERM, which is no failure."""
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
