"""How long stages took when they last ran in this folder, which no file in git says."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from penstock.core.errors import MissingFileError
from penstock.io.files import read_json, write_json


class Durations:
    """Seconds of stages by address, in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds = _read(file)

    def keep(self, stage: str, seconds: float) -> None:
        self._seconds[stage] = round(seconds, 1)
        with suppress(OSError):  # what is only good for a guess stops nothing
            write_json(self._file, self._seconds)

    def expected(self, epochs: Mapping[str, int]) -> dict[str, float]:
        """Of each stage what it took the last time; of one that has not run here a guess by its epochs."""
        known = epochs.keys() & self._seconds.keys()
        of_known = sum(self._seconds[stage] for stage in known)
        an_epoch = of_known / sum(epochs[stage] for stage in known) if known else 1
        return {stage: self._seconds.get(stage, epochs[stage] * an_epoch) for stage in epochs}


def _read(file: Path) -> dict[str, float]:
    """What is no number of seconds, or no such file, is not known."""
    try:
        kept = read_json(file)
    except (MissingFileError, OSError):
        return {}
    return {stage: seconds for stage, seconds in kept.items() if isinstance(seconds, int | float)}
