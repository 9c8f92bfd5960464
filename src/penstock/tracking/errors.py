"""What MLflow and the stores behind it raise, in a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException

# Besides those of a store: ImportError is a missing driver, ValueError an address that is none.
OF_MLFLOW = (MlflowException, OSError, ImportError, ValueError)


def first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def reason_of(error: Exception) -> str:
    """The first line of what it says, or as much as fits into one of ours."""
    return first_line(error)[:200]


@contextmanager
def failures_of_storage() -> Iterator[None]:
    """Artifacts may be kept by any plugin, each with errors of its own: these are MLflow's from here on."""
    try:
        yield
    except OF_MLFLOW:
        raise
    except Exception as error:
        raise MlflowException(reason_of(error)) from error
