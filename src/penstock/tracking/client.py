"""Connect to MLflow, and classify its errors."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from penstock.core import console
from penstock.tracking.errors import OF_MLFLOW, reason_of
from penstock.tracking.tags import KEY
from penstock.tracking.uri import SQLITE, be_brief

# Errors of an unreachable server or database; MLflow does not wrap those of SQLAlchemy.
UNREACHABLE = (*OF_MLFLOW, SQLAlchemyError)
REJECTED = (400, 404)

be_brief()


def connect(uri: str) -> MlflowClient:
    """Return a client after one successful request.

    Raises:
        any of UNREACHABLE: MLflow cannot be used.
    """
    with creation_lock(uri):
        if uri.startswith(SQLITE):
            _create_database(Path(uri.removeprefix(SQLITE)))
        return _answering_client(uri)


def _create_database(path: Path) -> None:
    """Create MLflow's database under another name first, and rename it when it is complete.

    MLflow cannot open the tables that a process leaves if it is killed while it creates them.
    """
    if path.exists():
        return
    incomplete = path.with_name(f"{path.name}.incomplete")
    incomplete.unlink(missing_ok=True)
    _answering_client(f"{SQLITE}{incomplete}")
    incomplete.replace(path)


def _answering_client(uri: str) -> MlflowClient:
    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client


def creation_lock(uri: str) -> AbstractContextManager[object]:
    """Return the lock for creating tables or experiments in a database file; other servers need none."""
    return FileLock(f"{uri.removeprefix(SQLITE)}.lock") if uri.startswith(SQLITE) else nullcontext()


def find_run(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """Return the run whose provenance has this key, or None."""
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
    return found[0] if found else None


def is_rejection(error: MlflowException) -> bool:
    """Return whether MLflow rejects the request permanently, so that a retry cannot succeed."""
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return status in REJECTED


def warn_unreachable(uri: str, error: Exception) -> None:
    spooled = "events stay in .penstock/spool; the next stage or `penstock results` uploads them"
    console.warn(f"cannot use MLflow at {uri}; continuing without it; {spooled} ({reason_of(error)})")
