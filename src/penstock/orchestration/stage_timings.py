"""Remember how long stages took when they last ran in this folder; no file in git says it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from penstock.core.errors import MissingFileError
from penstock.io.files import read_json, write_json


class StageTimings:
    """Seconds of stages by address, kept in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds = _read(file)

    def keep(self, stage: str, seconds: float) -> None:
        self._seconds[stage] = round(seconds, 1)
        with suppress(OSError):  # an estimate is not worth an error
            write_json(self._file, self._seconds)

    def expected(self, epochs: Mapping[str, int]) -> dict[str, float]:
        """Return the last seconds of each stage; of a stage that has not run here, an estimate by its epochs."""
        known = epochs.keys() & self._seconds.keys()
        seconds_of_known = sum(self._seconds[stage] for stage in known)
        seconds_per_epoch = seconds_of_known / sum(epochs[stage] for stage in known) if known else 1
        return {stage: self._seconds.get(stage, epochs[stage] * seconds_per_epoch) for stage in epochs}


def _read(file: Path) -> dict[str, float]:
    """Read the file; whatever is not a number of seconds is ignored."""
    try:
        kept = read_json(file)
    except (MissingFileError, OSError):
        return {}
    return {stage: seconds for stage, seconds in kept.items() if isinstance(seconds, int | float)}
