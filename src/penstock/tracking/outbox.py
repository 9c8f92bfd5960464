"""What stages have to tell MLflow, on disk until MLflow has been told.

Each stage writes one letter: a file with a line of JSON for every message, in order. Who delivers it reads it from the
start or from where it stopped; a message that arrives twice changes nothing. A letter whose writer was killed ends in
the middle of a message at worst, and says all that came before.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from penstock.files import canonical_hash
from penstock.project import Project

_ENDING = ".jsonl"


@dataclass(frozen=True, kw_only=True)
class Message:
    """what: its kind, for `penstock.tracking.delivery`; content: as JSON has it; at: milliseconds since 1970."""

    what: str
    content: dict[str, Any]
    at: int


class Letter:
    """A letter that a living stage writes; nobody else delivers it until `close`, or until the stage has died."""

    def __init__(self, outbox: Path, uri: str) -> None:
        outbox.mkdir(parents=True, exist_ok=True)
        self.path = outbox / f"{time.time_ns()}-{os.getpid()}.{_address(uri)}{_ENDING}"
        self._lock = _lock_of(self.path)
        self._lock.acquire()
        self._file = self.path.open("ab", buffering=0)

    def add(self, what: str, content: dict[str, Any]) -> None:
        message = Message(what=what, content=content, at=int(time.time() * 1000))
        self._file.write(json.dumps(asdict(message)).encode() + b"\n")

    def close(self) -> None:
        self._file.close()
        self._lock.release()


def outbox_of(project: Project) -> Path:
    return project.scratch / "outbox"


def messages(letter: Path, offset: int = 0) -> Iterator[tuple[Message, int]]:
    """The whole messages from a byte of the letter on, each with the byte behind it."""
    with letter.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield Message(**json.loads(line)), offset


def left_letters(outbox: Path, uri: str) -> Iterator[Path]:
    """Letters to this MLflow that no living stage writes, oldest first; each is nobody else's while it is looked at.

    Those to another address wait until that one is used again.
    """
    for letter in sorted(outbox.glob(f"*.{_address(uri)}{_ENDING}")):
        try:
            with _lock_of(letter).acquire(timeout=0):
                if letter.exists():
                    yield letter
        except Timeout:
            continue


def discard(letter: Path) -> None:
    """A letter that has been delivered."""
    letter.unlink(missing_ok=True)
    Path(_lock_of(letter).lock_file).unlink(missing_ok=True)


def set_aside(letter: Path) -> Path:
    """Under another name, which nobody delivers: MLflow refuses it."""
    refused = letter.with_suffix(".refused")
    letter.replace(refused)
    discard(letter)
    return refused


def _address(uri: str) -> str:
    """Not the address itself, which may hold a password."""
    return canonical_hash(uri)[:8]


def _lock_of(letter: Path) -> FileLock:
    return FileLock(letter.with_suffix(".lock"))
