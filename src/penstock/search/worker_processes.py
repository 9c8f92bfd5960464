"""Start the workers of a search on this machine, and end them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from penstock.core import console
from penstock.core.paths import Project
from penstock.search.search_job import WorkerOrder


@dataclass
class WorkerProcess:
    """One worker."""

    number: int
    process: subprocess.Popen[str]
    was_reported: bool = field(default=False)

    def give(self, order: WorkerOrder) -> None:
        """Tell the worker what to do. Its standard input stays open, since its end means that this process is dead."""
        assert self.process.stdin
        with suppress(BrokenPipeError):  # it has ended, which `report_end` says
            self.process.stdin.write(order.encode() + "\n")
            self.process.stdin.flush()

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def report_end(self) -> None:
        """Warn once if the worker has ended with an error."""
        code = self.process.poll()
        if code and not self.was_reported:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            cause = " (is the memory too small?)" if code == -signal.SIGKILL else ""
            console.warn(f"worker {self.number} {how}{cause}; its trial can go on from the last checkpoint")
            self.was_reported = True


@contextmanager
def worker_processes(project: Project, count: int, gpus: Sequence[str]) -> Iterator[list[WorkerProcess]]:
    """Start workers, which import their libraries and wait for their orders; interrupt and await them at the end.

    Args:
        project: The project, whose code they run.
        count: Number of workers.
        gpus: Value of CUDA_VISIBLE_DEVICES of each worker, in turn; empty without GPUs.
    """
    workers: list[WorkerProcess] = []
    try:
        for number in range(count):
            share = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {}
            workers.append(WorkerProcess(number, _start(project, share)))
        yield workers
    finally:
        for worker in workers:
            if not worker.has_ended:
                worker.process.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.process.wait()
            assert worker.process.stdin
            with suppress(BrokenPipeError):
                worker.process.stdin.close()


def _start(project: Project, share: dict[str, str]) -> subprocess.Popen[str]:
    paths = [str(project.root / "src"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | share | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "TTY_COMPATIBLE": "0"}
    command = [sys.executable, "-m", "penstock.search.worker_start"]
    return subprocess.Popen(command, cwd=project.root, stdin=subprocess.PIPE, env=environment, text=True)
