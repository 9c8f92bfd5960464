"""What was looked at when every stage was up to date: while none of it has changed, there is nothing to do.

DVC takes seconds to say so, most of them for reading its own files. What counts as unchanged here is what counts so for
DVC: a file of the same size, time and inode.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from penstock.errors import MissingFileError
from penstock.files import read_json, write_json

NOTHING_TO_DO = "nothing to do: all stages are up to date"

# Nanoseconds since 1970, bytes, inode; of what is not there nothing.
State = list[int]
Seen = Mapping[str, State]


class LastLook:
    """The last time when all that certain targets need was up to date, in a file with those of other targets."""

    def __init__(self, file: Path, targets: Sequence[str]) -> None:
        self._file = file
        self._targets = " ".join(targets)

    def still_holds(self) -> bool:
        """Whether there was such a time, and nothing that was looked at has changed since."""
        seen: Seen = self._kept().get(self._targets, {})
        return bool(seen) and all(_state(Path(path)) == state for path, state in seen.items())

    def keep(self, seen: Seen, begun: int) -> None:
        """Keeps what was up to date, unless somebody was at it meanwhile.

        Args:
            seen: by `see`, before DVC was asked.
            begun: when the first of it was read, in nanoseconds since 1970.
        """
        if all(state[0] < begun for state in seen.values() if state):
            with suppress(OSError):  # it only saves time
                write_json(self._file, self._kept() | {self._targets: seen})

    def _kept(self) -> dict[str, Seen]:
        try:
            return read_json(self._file)
        except MissingFileError:
            return {}


def see(paths: Iterable[Path]) -> Seen:
    """The states of files, and of folders with all that is in them."""
    return {str(path): _state(path) for place in paths for path in _with_contents(place.absolute())}


def _with_contents(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir():
        yield from path.rglob("*")


def _state(path: Path) -> State:
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_size, found.st_ino]
