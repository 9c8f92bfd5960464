"""What stages have to tell MLflow, on disk until MLflow has been told.

Each stage writes one letter: a file with a line of JSON for every message, in order. Who delivers it reads it from the
start or from where it stopped. A letter whose writer was killed ends in the middle of a message at worst, and says all
that came before.
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

_ENDING = ".jsonl"
SECONDS_TO_WAIT = 60.0


@dataclass(frozen=True, kw_only=True)
class Message:
    """what: its kind, for `penstock.tracking.uploader`; content: as JSON has it; at: milliseconds since 1970."""

    what: str
    content: dict[str, Any]
    at: int


class EventLog:
    """A letter that a living stage writes; nobody else delivers it until `close`, or until the stage has died."""

    def __init__(self, outbox: Path, uri: str) -> None:
        outbox.mkdir(parents=True, exist_ok=True)
        self.path = outbox / f"{time.time_ns()}-{os.getpid()}.{label_of(uri)}{_ENDING}"
        self._lock = _lock_of(self.path)
        self._lock.acquire()
        self._file = self.path.open("ab")

    def add(self, what: str, content: dict[str, Any]) -> None:
        message = Message(what=what, content=content, at=int(time.time() * 1000))
        self._file.write(json.dumps(asdict(message)).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        with suppress(OSError):  # of a full disk, which `add` has told of
            self._file.close()
        self._lock.release()


def spool_dir(project: Project) -> Path:
    return project.scratch / "outbox"


def messages(letter: Path, offset: int = 0) -> Iterator[tuple[Message, int]]:
    """The whole messages from a byte of the letter on, each with the byte behind it; lines that are none are kept as
    messages of a kind that nobody knows."""
    with letter.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            try:
                message = Message(**json.loads(line))
            except (ValueError, TypeError):
                message = Message(what="unreadable", content={"line": line.decode(errors="replace")}, at=0)
            yield message, offset


def pending_logs(outbox: Path, uri: str) -> list[Path]:
    """Letters to this MLflow that no living stage writes, oldest first.

    Those to another address wait until that one is used again.
    """
    return [letter for letter in sorted(outbox.glob(f"*.{label_of(uri)}{_ENDING}")) if not _is_written(letter)]


def uploader_lock(outbox: Path, uri: str) -> FileLock:
    """Of all processes, one at a time tells this MLflow something: two could each begin the same run."""
    return FileLock(outbox / f"{label_of(uri)}.lock", timeout=SECONDS_TO_WAIT)


def discard(letter: Path) -> None:
    """A letter that has been delivered."""
    letter.unlink(missing_ok=True)
    Path(_lock_of(letter).lock_file).unlink(missing_ok=True)


def quarantine(letter: Path, message: Message) -> Path:
    """Keeps what MLflow refuses where nobody delivers it again."""
    refused = letter.with_suffix(".refused")
    with refused.open("a") as file:
        file.write(json.dumps(asdict(message)) + "\n")
    return refused


def _is_written(letter: Path) -> bool:
    try:
        with _lock_of(letter).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _lock_of(letter: Path) -> FileLock:
    return FileLock(letter.with_suffix(".lock"))
