"""What can go wrong for a person who uses Penstock; everything else is our bug and keeps its traceback.

PenstockError           exit code 1
├── ConfigError         exit code 2: params.yaml or the command line is wrong
├── DownloadError       no source had the right bytes
├── ExpectationError    the data are not what params.yaml declares
├── TrainingError       the loss is no longer a finite number
├── GateError           an exported model missed a gate
└── MissingFileError    a file that an earlier stage writes is not there
"""


class PenstockError(Exception):
    """A message for the person at the terminal: what is wrong, where, and what to do."""

    exit_code = 1


class ConfigError(PenstockError):
    exit_code = 2


class DownloadError(PenstockError):
    pass


class ExpectationError(PenstockError):
    pass


class TrainingError(PenstockError):
    pass


class GateError(PenstockError):
    pass


class MissingFileError(PenstockError):
    pass
