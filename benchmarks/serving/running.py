"""Start a server, wait for its first correct response, check its responses, and stop it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Self

import psutil

from benchmarks.serving.servers import Place, Server, free_port
from benchmarks.serving.workload import ROWS, Workload

PATIENCE = 90.0  # seconds until the first correct response
SECONDS_TO_END = 10.0
AT_ONCE = 16


class WrongAnswerError(Exception):
    """The outputs of a server differ from those of onnxruntime, or it has not started."""


class Running:
    """A running server and its child processes, on a free port of 127.0.0.1.

    Args:
        server: The server to start.
        place: Models and scratch folder.
        model: The model to serve, if the server serves only one.
    """

    def __init__(self, server: Server, place: Place, model: str) -> None:
        self.server = server
        self.port = free_port()
        programs = server.bin(place.project)
        command = server.command(place, programs, model, self.port)
        self.log = place.scratch / f"{self.port}.log"
        self._begun = time.perf_counter()
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command.arguments],
                env=os.environ | command.environment,
                cwd=place.project.root if not server.packages else place.scratch,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        group = self._process.pid
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_END)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self._process.wait()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def send(self, connection: http.client.HTTPConnection, workload: Workload, row: Any) -> None:  # noqa: ANN401
        body = json.dumps(self.server.schema.body(workload.input, row))
        path = self.server.schema.path(workload.model)
        connection.request("POST", path, body, {"Content-Type": "application/json"})

    def is_right(self, connection: http.client.HTTPConnection, workload: Workload, row: int) -> bool:
        """Return whether the response is 2xx and matches the output of onnxruntime for `row`."""
        try:
            response = connection.getresponse()
            said = response.read()
        except (OSError, http.client.HTTPException):
            return False
        if response.status != http.client.OK:
            return False
        return workload.is_right(row, self.server.schema.first_output(json.loads(said)))

    def wait(self, *workload: Workload) -> float:
        """Wait for one correct response per workload; return the seconds since the start.

        Raises:
            WrongAnswerError: The server has exited, or there is no correct response in `PATIENCE` seconds.
        """
        for asked in workload:
            while not self._answers(asked):
                if self._process.poll() is not None or time.perf_counter() - self._begun > PATIENCE:
                    raise WrongAnswerError(f"{self.server.name} has not come up:\n{self.log.read_text()[-2000:]}")
                time.sleep(0.002)
        return time.perf_counter() - self._begun

    def _answers(self, workload: Workload) -> bool:
        try:
            return all(self.answers_at_once(workload, [(0, workload.each()[0])]))
        except ConnectionError:
            return False

    def check(self, workload: Workload) -> None:
        """Check the response to each row, with `AT_ONCE` concurrent requests.

        Raises:
            WrongAnswerError: A response is wrong.
        """
        for first in range(0, ROWS, AT_ONCE):
            places = range(first, first + AT_ONCE)
            answers = self.answers_at_once(workload, [(row, workload.each()[row]) for row in places])
            if not all(answers):
                raise WrongAnswerError(f"{self.server.name}, {workload.model}: one of rows {places} asked at once")

    def answers_at_once(self, workload: Workload, asked: list[tuple[int, Any]]) -> list[bool]:
        """Send rows at once, each on its own connection; return whether each response is correct.

        Args:
            workload: The expected outputs.
            asked: Index of the expected output, and the row to send.
        """
        with ExitStack() as opened:
            connections = [opened.enter_context(closing(self.connection())) for _ in asked]
            for connection, (_, row) in zip(connections, asked, strict=True):
                self.send(connection, workload, row)
            return [self.is_right(each, workload, row) for each, (row, _) in zip(connections, asked, strict=True)]

    def bodies(self, workload: Workload, folder: Path) -> Path:
        """Write the file of request bodies for wrk, one per line, and return its path."""
        path = folder / f"{self.port}-{workload.model}.jsonl"
        body = self.server.schema.body
        lines = (json.dumps(body(workload.input, row), separators=(",", ":")) for row in workload.each())
        path.write_text("\n".join(lines))
        return path

    def memory(self) -> int:
        """Return the memory of the server and its children in bytes (PSS, which counts shared pages once)."""
        watched = psutil.Process(self._process.pid)
        return sum(process.memory_full_info().pss for process in [watched, *watched.children(recursive=True)])
