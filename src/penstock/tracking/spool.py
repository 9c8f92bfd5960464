"""Store the events of stages on disk until they are uploaded to MLflow.

Each stage writes one event log, a file with one JSON object per line, in order. The uploader reads it from the start or
from its last offset. The log of a killed stage may end in a partial line, which is ignored.
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
from penstock.tracking.uri import SQLITE, label_of

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
    """Event log of a running stage. Its lock prevents other stages from uploading it until it is closed.

    Args:
        spool: Folder of the event logs; created if it is missing.
        uri: Tracking URI of MLflow.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, spool: Path, uri: str) -> None:
        spool.mkdir(parents=True, exist_ok=True)
        self.path = spool / f"{time.time_ns()}-{os.getpid()}.{log_label(spool, uri)}{_SUFFIX}"
        self._lock = _lock_of(self.path)
        self._lock.acquire()
        self._file = self.path.open("ab")

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Append an event.

        Raises:
            OSError: The file cannot be written.
        """
        event = Event(kind=kind, content=content, at=int(time.time() * 1000))
        self._file.write(json.dumps(asdict(event)).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        with suppress(OSError):  # `add` has already reported it
            self._file.close()
        self._lock.release()


def spool_dir(project: Project) -> Path:
    """Return the folder of the event logs, which all copies of a project share."""
    return project.original.scratch / "spool"


def log_label(spool: Path, uri: str) -> str:
    """Return what the logs for an address have in their names; it stays the same when the project is moved."""
    if uri.startswith(SQLITE):
        uri = f"{SQLITE}{os.path.relpath(uri.removeprefix(SQLITE), spool.parent.parent)}"
    return label_of(uri)


def read_events(log: Path, offset: int = 0) -> Iterator[tuple[Event, int]]:
    """Yield the complete events after a byte offset, each with the offset of its end.

    A malformed line is yielded as an event of kind `UNREADABLE`.
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


def event_logs(spool: Path, uri: str) -> list[Path]:
    """Return the event logs for this MLflow, oldest first.

    Logs for another address are kept until that address is used again.
    """
    return sorted(spool.glob(f"*.{log_label(spool, uri)}{_SUFFIX}"))


def pending_logs(spool: Path, uri: str) -> list[Path]:
    """Return the event logs for this MLflow whose stages have ended, oldest first."""
    return [log for log in event_logs(spool, uri) if not is_open(log)]


def uploader_lock(spool: Path, uri: str) -> FileLock:
    """Return the lock for uploads to this MLflow: two processes could both create the same run."""
    return FileLock(spool / f"{log_label(spool, uri)}.lock", timeout=LOCK_TIMEOUT_SECONDS)


def discard(log: Path) -> None:
    """Delete an event log that has been uploaded."""
    log.unlink(missing_ok=True)
    Path(_lock_of(log).lock_file).unlink(missing_ok=True)


def quarantine(log: Path, event: Event) -> Path:
    """Append a rejected event to a file beside its log, which is not uploaded; return the path of that file.

    A log that is uploaded again has its events rejected again, and the file has each of them once.
    """
    rejected = log.with_suffix(".rejected")
    line = json.dumps(asdict(event)) + "\n"
    with rejected.open("a+") as file:
        file.seek(0)
        if line not in file:
            file.write(line)
    return rejected


def is_open(log: Path) -> bool:
    """Return whether the stage that writes an event log is running."""
    try:
        with _lock_of(log).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _lock_of(log: Path) -> FileLock:
    return FileLock(log.with_suffix(".lock"))
