"""Access log: one line of JSON per request, written by a background thread."""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import orjson

from penstock.core.errors import ConfigError

WRITE_SECONDS = 0.2
# Lines kept while the file cannot be written; further ones are only counted.
MAX_LINES = 50_000

logger = logging.getLogger(__name__)


class AccessLog:
    """Append to a file, or to standard error for the path "-".

    Raises:
        ConfigError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)
        self._unwritten = memoryview(b"")  # rest of a write that was cut short
        self._failing = False
        self._lines: deque[bytes] = deque()
        self._lost = 0
        self._closed = Event()
        self._thread = Thread(target=self._write, name="access-log", daemon=True)
        self._thread.start()

    def add(
        self,
        *,
        client: str,
        method: str,
        path: str,
        status: int | str,
        seconds: float,
        bytes_in: int,
        bytes_out: int | None,
    ) -> None:
        """Log one finished request.

        The line is formatted here, which takes two microseconds: a thread that formats thousands of lines at once
        would hold the GIL while requests wait.

        Args:
            client: Address of the client.
            method: HTTP method.
            path: Path of the URL.
            status: HTTP status, or the name of the gRPC code.
            seconds: Time from the complete request to its response.
            bytes_in: Size of the request body as received.
            bytes_out: Size of the response body; None if unknown.
        """
        if len(self._lines) >= MAX_LINES:
            self._lost += 1
            return
        content = {
            "time": datetime.now(UTC),
            "client": client,
            "method": method,
            "path": path,
            "status": status,
            "milliseconds": int(seconds * 1e6 + 0.5) / 1000,  # faster than `round`
            "bytes_in": bytes_in,
            "bytes_out": bytes_out,
        }
        self._lines.append(orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))

    def close(self) -> None:
        """Write the remaining lines and close the file."""
        self._closed.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._closed.wait(WRITE_SECONDS):
            self._try_to_flush()
        self._try_to_flush()
        os.close(self._file)

    def _try_to_flush(self) -> None:
        """Write all lines, or warn once and keep them for the next time."""
        try:
            self._flush()
            self._failing = False
        except OSError as error:
            if not self._failing:
                logger.warning("--access-log %s: %s", self.path, error.strerror)
            self._failing = True

    def _flush(self) -> None:
        self._write_rest()
        self._unwritten = memoryview(b"".join(self._take_lines()))
        self._write_rest()

    def _write_rest(self) -> None:
        while self._unwritten:
            self._unwritten = self._unwritten[os.write(self._file, self._unwritten) :]

    def _take_lines(self) -> list[bytes]:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if self._lost:
            lost, self._lost = self._lost, 0
            lines.append(orjson.dumps({"lost_lines": lost}) + b"\n")
        return lines


def _open(path: Path) -> int:
    """Return an unbuffered file descriptor, so that the number of written bytes is known."""
    if str(path) == "-":
        return os.dup(sys.stderr.fileno())
    try:
        # O_NONBLOCK: opening a named pipe without a reader fails instead of waiting for one.
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise ConfigError(f"--access-log {path}: {error.strerror}") from None
    os.set_blocking(file, True)
    return file
