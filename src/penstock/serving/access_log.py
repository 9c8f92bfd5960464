"""A line of JSON for each request, written together once in a while, by a thread that may be kept waiting."""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import orjson

from penstock.serving.http import Request, Response

WRITE_SECONDS = 0.2
# While nothing can be written, so many requests are kept; of more, only their number.
MOST_LINES = 50_000


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
    """path: a file that is appended to, or "-" for standard error."""

    def __init__(self, path: Path) -> None:
        self.path = path
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
        with ExitStack() as stack:
            file = sys.stderr.buffer if str(self.path) == "-" else stack.enter_context(self.path.open("ab"))
            while not self._ended.wait(WRITE_SECONDS):
                self._flush(file)
            self._flush(file)

    def _flush(self, file: Any) -> None:  # noqa: ANN401  (a binary file)
        lines = [_line(self._lines.popleft()) for _ in range(len(self._lines))]
        if self._lost:
            lost, self._lost = self._lost, 0
            lines.append(orjson.dumps({"lost_lines": lost}) + b"\n")
        if lines:
            file.write(b"".join(lines))
            file.flush()


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
