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
from typing import NamedTuple

import orjson

from penstock.errors import ConfigError
from penstock.serving.http import Request, Response

WRITE_SECONDS = 0.2
# While nothing can be written, so many requests are kept; of more, only their number.
MOST_LINES = 50_000

logger = logging.getLogger(__name__)


class _Entry(NamedTuple):
    at: float
    caller: str
    method: str
    path: str
    status: int | str
    seconds: float
    bytes_in: int
    bytes_out: int | None


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
        self._lines: deque[_Entry] = deque()
        self._lost = 0
        self._ended = Event()
        self._thread = Thread(target=self._write, name="access-log", daemon=True)
        self._thread.start()

    def add(self, request: Request, response: Response, size: int, caller: str) -> None:
        """Notes an answer that has just been sent; costs about a microsecond."""
        seconds = time.monotonic() - request.arrived
        path, sent = request.path, len(response.body)
        self._add(_Entry(time.time(), caller, request.method, path, response.status, seconds, size, sent))

    def add_call(self, caller: str, path: str, status: str, seconds: float, size: int) -> None:
        """Notes a gRPC call that is over; status: the name of its code; size: bytes of what was asked."""
        self._add(_Entry(time.time(), caller, "POST", path, status, seconds, size, None))

    def _add(self, entry: _Entry) -> None:
        if len(self._lines) < MOST_LINES:
            self._lines.append(entry)
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
        lines = [_line(self._lines.popleft()) for _ in range(len(self._lines))]
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


def _line(entry: _Entry) -> bytes:
    content = {
        "time": datetime.fromtimestamp(entry.at, UTC),
        "client": entry.caller,
        "method": entry.method,
        "path": entry.path,
        "status": entry.status,
        "milliseconds": round(entry.seconds * 1000, 3),
        "bytes_in": entry.bytes_in,
        "bytes_out": entry.bytes_out,
    }
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
