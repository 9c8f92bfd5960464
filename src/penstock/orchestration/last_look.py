"""What was looked at when every stage was up to date: while none of it has changed, there is nothing to do.

DVC takes seconds to say so, most of them for reading its own files. What counts as unchanged here is what counts so for
DVC: a file of the same size, time and inode.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from penstock.core.errors import MissingFileError
from penstock.core.paths import Project
from penstock.io.files import read_json, write_json

NOTHING_TO_DO = "nothing to do: all stages are up to date"

# By paths from the project's folder on, so that those of a copy are its own: nanoseconds since 1970, bytes, inode; of
# what is not there nothing.
Seen = Mapping[str, list[int]]


class LastLook:
    """The last time when all that certain targets need was up to date, in a file with those of other targets."""

    def __init__(self, project: Project, targets: Sequence[str]) -> None:
        self._root = project.root
        self._file = project.last_look
        self._targets = json.dumps(list(targets))

    def still_holds(self) -> bool:
        """Whether there was such a time, and nothing that was looked at has changed since."""
        seen = self._kept().get(self._targets)
        return isinstance(seen, dict) and bool(seen) and self.see(self._root / path for path in seen) == seen

    def see(self, paths: Iterable[Path]) -> Seen:
        """The present states of files and folders."""
        return {os.path.relpath(path, self._root): _state(path) for path in dict.fromkeys(paths)}

    def keep(self, seen: Seen, begun: int) -> None:
        """Keeps what was up to date, unless somebody was at it meanwhile.

        Args:
            seen: before DVC was asked.
            begun: when the first of it was read, in nanoseconds since 1970.
        """
        if all(state[0] < begun for state in seen.values() if state):
            with suppress(OSError):  # it only saves time
                write_json(self._file, self._kept() | {self._targets: seen})

    def _kept(self) -> dict[str, Any]:
        try:
            return read_json(self._file)
        except (MissingFileError, OSError):
            return {}


def _state(path: Path) -> list[int]:
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_size, found.st_ino]
