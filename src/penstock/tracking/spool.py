"""The spool: what stages log, on disk until it has been uploaded to MLflow.

Each stage writes one event log: a file with one line of JSON per event, in order. An uploader reads it from the start,
or from where it stopped. The log of a killed stage ends in a partial line at worst; all lines before it count.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from penstock.core.paths import Project
from penstock.tracking.uri import label_of

_SUFFIX = ".jsonl"
LOCK_TIMEOUT_SECONDS = 60.0
UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of an event log."""

    kind: str
    """Selects the method of `penstock.tracking.run_writer.RunWriter` that handles it."""
    content: dict[str, Any]
    at: int
    """Milliseconds since 1970."""


class EventLog:
    """The event log of a running stage. No other process uploads it before `close` or the end of this process.

    Args:
        spool: Folder of the event logs; created if it is missing.
        uri: Where MLflow is.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, spool: Path, uri: str) -> None:
        spool.mkdir(parents=True, exist_ok=True)
        self.path = spool / f"{time.time_ns()}-{os.getpid()}.{label_of(uri)}{_SUFFIX}"
        self._lock = _lock_of(self.path)
        self._lock.acquire()
        self._file = self.path.open("ab")

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Append an event. Raises `OSError`."""
        event = Event(kind=kind, content=content, at=int(time.time() * 1000))
        self._file.write(json.dumps(asdict(event)).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        with suppress(OSError):  # `add` has reported the full disk
            self._file.close()
        self._lock.release()


def spool_dir(project: Project) -> Path:
    return project.scratch / "spool"


def read_events(log: Path, offset: int = 0) -> Iterator[tuple[Event, int]]:
    """Yield the complete events behind a byte offset, each with the offset behind it.

    A line that is no event becomes an event of kind `UNREADABLE`.
    """
    with log.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            try:
                event = Event(**json.loads(line))
            except (ValueError, TypeError):
                event = Event(kind=UNREADABLE, content={"line": line.decode(errors="replace")}, at=0)
            yield event, offset


def pending_logs(spool: Path, uri: str) -> list[Path]:
    """Return the event logs for this MLflow whose stages have ended, oldest first.

    Logs for another address wait until that address is used again.
    """
    return [log for log in sorted(spool.glob(f"*.{label_of(uri)}{_SUFFIX}")) if not _is_open(log)]


def uploader_lock(spool: Path, uri: str) -> FileLock:
    """Return the lock of the one process that may upload to this MLflow: two could both create the same run."""
    return FileLock(spool / f"{label_of(uri)}.lock", timeout=LOCK_TIMEOUT_SECONDS)


def discard(log: Path) -> None:
    """Delete an event log that has been uploaded."""
    log.unlink(missing_ok=True)
    Path(_lock_of(log).lock_file).unlink(missing_ok=True)


def quarantine(log: Path, event: Event) -> Path:
    """Move an event that MLflow rejects to a file beside its log, which is not uploaded again."""
    rejected = log.with_suffix(".rejected")
    with rejected.open("a") as file:
        file.write(json.dumps(asdict(event)) + "\n")
    return rejected


def _is_open(log: Path) -> bool:
    try:
        with _lock_of(log).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _lock_of(log: Path) -> FileLock:
    return FileLock(log.with_suffix(".lock"))
