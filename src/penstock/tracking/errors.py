"""Format errors of MLflow and of its stores as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException

from penstock.core.errors import first_line

# OSError: the server or a store. ImportError: a missing driver. ValueError: an invalid address.
OF_MLFLOW = (MlflowException, OSError, ImportError, ValueError)


def reason_of(error: Exception) -> str:
    """Return the first line of the message, cut to 300 characters."""
    return first_line(error)[:300]


@contextmanager
def failures_of_storage() -> Iterator[None]:
    """Turn any error of an artifact store into `MlflowException`: stores are plugins with errors of their own."""
    try:
        yield
    except OF_MLFLOW:
        raise
    except Exception as error:
        raise MlflowException(reason_of(error)) from error
