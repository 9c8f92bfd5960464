"""Connect to MLflow, and classify its errors."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage, Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, TEMPORARILY_UNAVAILABLE, ErrorCode
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.exc import SQLAlchemyError

from penstock.core import console
from penstock.tracking.errors import OF_MLFLOW, reason_of
from penstock.tracking.moved_project import follow_moved_project
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
            follow_moved_project(uri)
        return _answering_client(uri)


def _create_database(path: Path) -> None:
    """Create MLflow's database under another name first, and rename it when it is complete.

    MLflow cannot open the tables that a process leaves if it is killed while it creates them.
    """
    if path.exists():
        return
    incomplete = path.with_name(f"{path.name}.incomplete")
    incomplete.unlink(missing_ok=True)
    # MLflow's experiment Default gets a location that SQL takes, whatever quotes the folder has in its name.
    SqlAlchemyStore(f"{SQLITE}{incomplete}", (path.parent.resolve() / "mlruns").as_uri())  # type: ignore[no-untyped-call]
    incomplete.replace(path)


def _answering_client(uri: str) -> MlflowClient:
    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client


def creation_lock(uri: str) -> AbstractContextManager[object]:
    """Return the lock for creating tables or experiments in a database file; other servers need none."""
    return FileLock(f"{uri.removeprefix(SQLITE)}.lock") if uri.startswith(SQLITE) else nullcontext()


def experiment_of(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """Return the ID of an experiment, which is created if it does not exist.

    Args:
        client: Client of MLflow.
        name: Name of the experiment.
        artifacts: Location of the artifacts of a new experiment; None lets the server decide.

    Raises:
        MlflowException: The experiment was deleted. It is no rejection, so the events wait until it is restored.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=artifacts)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            found = client.get_experiment_by_name(name)  # another process was faster
    assert isinstance(found, Experiment)
    if found.lifecycle_stage == LifecycleStage.DELETED:
        restore = f"MLFLOW_TRACKING_URI={client.tracking_uri} mlflow experiments restore -x {found.experiment_id}"
        raise MlflowException(
            f"the experiment {name} was deleted; `{restore}` restores it, `mlflow gc` deletes it for good",
            TEMPORARILY_UNAVAILABLE,
        )
    experiment_id: str = found.experiment_id
    return experiment_id


def find_run(client: MlflowClient, experiment_id: str, key: str, *, deleted: bool = False) -> Run | None:
    """Return the run whose provenance has this key, or None; a deleted run only if `deleted` is set."""
    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", view, max_results=1)
    return found[0] if found else None


def is_rejection(error: MlflowException) -> bool:
    """Return whether MLflow rejects the request permanently, so that a retry cannot succeed."""
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return status in REJECTED


def warn_unreachable(uri: str, error: Exception) -> None:
    spooled = "events stay in .penstock/spool; the next stage or `penstock results` uploads them"
    console.warn(f"cannot use MLflow at {uri}; continuing without it; {spooled} ({reason_of(error)})")
