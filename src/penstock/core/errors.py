"""What can go wrong for a person who uses Penstock; everything else is our bug and keeps its traceback.

PenstockError               exit code 1
├── ConfigError             exit code 2: params.yaml or the command line is wrong
│   └── WrongSettingError   found where the setting is used; the stage adds whose it is
├── DownloadError           no source had the right bytes
├── ExpectationError        the data are not what params.yaml declares
├── TrainingError           the loss is no longer a finite number
├── GateError               an exported model missed a gate
├── StageError              stages failed that were run side by side
└── MissingFileError        a file that an earlier stage writes is not there
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PenstockError(Exception):
    """A message for the person at the terminal: what is wrong, where, and what to do."""

    exit_code = 1


class ConfigError(PenstockError):
    exit_code = 2


class WrongSettingError(ConfigError):
    """A setting that only its use shows to be wrong; `key` is dotted, below its model or dataset."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


class DownloadError(PenstockError):
    pass


class ExpectationError(PenstockError):
    pass


class TrainingError(PenstockError):
    pass


class GateError(PenstockError):
    pass


class StageError(PenstockError):
    pass


class MissingFileError(PenstockError):
    pass


def explain(error: PenstockError | OSError) -> tuple[str, int]:
    """The message for the terminal, a line for each mistake, and the exit code.

    A disk that is full or a folder that may not be written is the person's business, not a bug of ours.
    """
    if isinstance(error, PenstockError):
        return str(error), error.exit_code
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}", 1


def nearest(word: str, valid: Iterable[str]) -> str:
    """A hint to append to a message about an unknown name, such as "; did you mean 'epochs'?"."""
    names = sorted(valid)
    match = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"; did you mean '{match[0]}'?" if match else f"; valid are {', '.join(names)}"
