"""Errors that a user can fix. Every other exception is a bug of Penstock and keeps its traceback.

PenstockError               exit code 1
├── ConfigError             exit code 2: params.yaml or the command line is wrong
│   └── WrongSettingError   raised where the setting is used; the stage adds the model or dataset
├── ComparisonError         exit code 2: models cannot be compared; 1 says that one is worse
├── DownloadError           no source had a file with the declared sha256
├── AttestationError        an attestation is missing, not signed by the key, or of another file
├── DataFileError           a file of a dataset is not as declared: file, line, column and problem
├── DataCheckError          the data do not pass the `checks` in params.yaml
├── OwnCodeError            a network of one's own is wrong: file, line and problem
├── TrainingError           the loss is not finite, or another process trains the same model
├── GateError               an exported model did not pass a gate
├── SearchError             the workers of a search ended before it was finished
├── StageError              `penstock repro` ran stages that failed
└── MissingFileError        a file of an earlier stage is missing or damaged
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from penstock.core.credentials import without_credentials


class PenstockError(Exception):
    """An error whose message says what is wrong, where, and what to do."""

    exit_code = 1


class ConfigError(PenstockError):
    """params.yaml or the command line is wrong."""

    exit_code = 2


class WrongSettingError(ConfigError):
    """A setting does not fit the data or the network, which is detected only when it is used.

    Args:
        key: Dotted key of the setting, below its model or dataset.
        problem: What is wrong with it.
    """

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


class ComparisonError(PenstockError):
    """Models cannot be compared."""

    exit_code = 2


class DownloadError(PenstockError):
    """No source had a file with the declared sha256."""


class AttestationError(PenstockError):
    """An attestation is missing, malformed, not signed by the key, or of another file."""


class DataFileError(PenstockError):
    """A file of a dataset is not as params.yaml declares it."""


class DataCheckError(PenstockError):
    """The data do not pass the `checks` in params.yaml."""


class OwnCodeError(PenstockError):
    """A network or LightningModule of one's own is wrong."""


class TrainingError(PenstockError):
    """A training cannot continue."""


class GateError(PenstockError):
    """An exported model did not pass a gate."""


class SearchError(PenstockError):
    """The workers of a search ended before it was finished."""


class StageError(PenstockError):
    """`penstock repro` ran stages that failed."""


class MissingFileError(PenstockError):
    """A file of an earlier stage is missing or damaged."""


def explain(error: PenstockError | OSError) -> tuple[str, int]:
    """Return the message for the terminal, one line per mistake and without credentials, and the exit code.

    An `OSError`, such as a full disk or a folder without write permission, is something that the user can fix.
    """
    if isinstance(error, PenstockError):
        return without_credentials(str(error)), error.exit_code
    where = f"{error.filename}: " if error.filename else ""
    return without_credentials(f"{where}{error.strerror or error}"), 1


def first_line(error: Exception) -> str:
    """Return the first line of the message, without credentials."""
    return without_credentials(next(iter(str(error).splitlines()), type(error).__name__))


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return a hint about an unknown name, such as "; did you mean 'epochs'?", to append to a message.

    It is empty if no name is valid.
    """
    names = sorted(valid)
    if not names:
        return ""
    match = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"; did you mean '{match[0]}'?" if match else f"; valid are {', '.join(names)}"
