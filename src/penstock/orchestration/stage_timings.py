"""Save how long each stage took when it last ran in this folder.

The file is not in git, since durations differ between machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from penstock.core.errors import MissingFileError
from penstock.io.files import read_json, write_json


class StageTimings:
    """Durations of stages in seconds, by DVC address, saved in a JSON file.

    Args:
        file: The JSON file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds = _read(file)

    def keep(self, stage: str, seconds: float) -> None:
        self._seconds[stage] = round(seconds, 1)
        with suppress(OSError):  # the timings are only estimates, so a full disk is no error
            write_json(self._file, self._seconds)

    def expected(self, epochs: Mapping[str, int]) -> dict[str, float]:
        """Return the expected duration of each stage in seconds.

        It is the last duration, or an estimate from the epochs if the stage has not run here.

        Args:
            epochs: Number of epochs of each stage.
        """
        known = epochs.keys() & self._seconds.keys()
        seconds_of_known = sum(self._seconds[stage] for stage in known)
        seconds_per_epoch = seconds_of_known / sum(epochs[stage] for stage in known) if known else 1
        return {stage: self._seconds.get(stage, epochs[stage] * seconds_per_epoch) for stage in epochs}


def _read(file: Path) -> dict[str, float]:
    """Read the file, and ignore values that are not numbers."""
    try:
        kept = read_json(file)
    except (MissingFileError, OSError):
        return {}
    return {stage: seconds for stage, seconds in kept.items() if isinstance(seconds, int | float)}
