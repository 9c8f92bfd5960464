"""A line of JSON for each request, written together once in a while, by a thread that may be kept waiting."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import orjson

from penstock.core.errors import ConfigError
from penstock.serving.http import Request, Response

WRITE_SECONDS = 0.2
# While nothing can be written, so many requests are kept; of more, only their number.
MOST_LINES = 50_000

logger = logging.getLogger(__name__)


class AccessLog:
    """path: a file that is appended to, or "-" for standard error.

    Raises:
        ConfigError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _opened(path)
        self._unwritten = memoryview(b"")  # what was begun to be written, and fits nowhere
        self._failing = False
        self._lines: deque[bytes] = deque()
        self._lost = 0
        self._ended = Event()
        self._thread = Thread(target=self._write, name="access-log", daemon=True)
        self._thread.start()

    def add(self, request: Request, response: Response, size: int, caller: str) -> None:
        """Notes a request that is over.

        The line is written out here, two microseconds, and not in the thread: that would have Python's lock for
        thousands of lines on end, while requests wait.
        """
        seconds = time.monotonic() - request.arrived
        sizes = size, len(response.body)
        self._add(_line(caller, request.method, request.path, response.status, seconds, sizes))

    def add_call(self, caller: str, path: str, status: str, seconds: float, size: int) -> None:
        """Notes a gRPC call that is over; status: the name of its code; size: bytes of what was asked."""
        self._add(_line(caller, "POST", path, status, seconds, (size, None)))

    def _add(self, line: bytes) -> None:
        if len(self._lines) < MOST_LINES:
            self._lines.append(line)
        else:
            self._lost += 1

    def close(self) -> None:
        """Writes what is left."""
        self._ended.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._ended.wait(WRITE_SECONDS):
            self._try_to_flush()
        self._try_to_flush()
        os.close(self._file)

    def _try_to_flush(self) -> None:
        """What cannot be written is tried again the next time; that it cannot is said once."""
        try:
            self._flush()
            self._failing = False
        except OSError as error:
            if not self._failing:
                logger.warning("--access-log %s: %s", self.path, error.strerror)
            self._failing = True

    def _flush(self) -> None:
        self._write_rest()
        self._unwritten = memoryview(b"".join(self._taken()))
        self._write_rest()

    def _write_rest(self) -> None:
        while self._unwritten:
            self._unwritten = self._unwritten[os.write(self._file, self._unwritten) :]

    def _taken(self) -> list[bytes]:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if self._lost:
            lost, self._lost = self._lost, 0
            lines.append(orjson.dumps({"lost_lines": lost}) + b"\n")
        return lines


def _opened(path: Path) -> int:
    """A file descriptor: it has no buffer, so what could not be written is known to the byte."""
    if str(path) == "-":
        return os.dup(sys.stderr.fileno())
    try:
        # A pipe that nobody reads is refused, in place of waiting for a reader.
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise ConfigError(f"--access-log {path}: {error.strerror}") from None
    os.set_blocking(file, True)
    return file


def _line(
    caller: str, method: str, path: str, status: int | str, seconds: float, sizes: tuple[int, int | None]
) -> bytes:
    """sizes: bytes of what was asked and of what was answered."""
    content = {
        "time": datetime.now(UTC),
        "client": caller,
        "method": method,
        "path": path,
        "status": status,
        "milliseconds": round(seconds * 1000, 3),
        "bytes_in": sizes[0],
        "bytes_out": sizes[1],
    }
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
