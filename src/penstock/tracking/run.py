"""One MLflow run per model and computation.

The run is found again by the lineage's key: a stage that was killed and started anew, and the later stages of the
same model, write into the run that the first one began, and nothing is said twice.

Tracking never stops the pipeline: when the server cannot be reached, one warning says so and the rest is dropped.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast

from filelock import FileLock
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from penstock import console
from penstock.config import Config
from penstock.lineage import Lineage
from penstock.manifest import Manifest
from penstock.project import Project
from penstock.tracking import environment
from penstock.tracking.vocabulary import METRICS, OF_VALIDATION, TIMED

if TYPE_CHECKING:
    from penstock.tracking.registry import ValidatedModel

KEY = "penstock.key"
SQLITE = "sqlite:///"
TIMEOUT_SECONDS, RETRIES = 10, 2
# What MLflow raises for a server or a database that it cannot use, some of it SQLAlchemy's own: ImportError is a
# database's missing driver, ValueError an address that is none.
UNREACHABLE = (MlflowException, SQLAlchemyError, OSError, ImportError, ValueError)

Arguments = ParamSpec("Arguments")


def tracking_uri(project: Project, config: Config) -> str:
    """MLFLOW_TRACKING_URI, or `tracking.uri`; a database file is absolute, wherever the command is run from."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or config.tracking.uri
    return f"{SQLITE}{project.root / uri.removeprefix(SQLITE)}" if uri.startswith(SQLITE) else uri


@contextmanager
def track_model(project: Project, config: Config, lineage: Lineage) -> Iterator[TrackedRun]:
    """The run of this lineage, found or begun; it ends as finished, or as failed where an error passes."""
    run = TrackedRun(tracking_uri(project, config))
    run.begin(project, config.model(lineage.model).dataset, lineage)
    try:
        yield run
    except BaseException:
        run.end("FAILED")
        raise
    run.end("FINISHED")


def _never_in_the_way(
    method: Callable[Concatenate[TrackedRun, Arguments], None],
) -> Callable[Concatenate[TrackedRun, Arguments], None]:
    """Turns a failure of tracking into one warning; after it, nothing more is tried."""

    @wraps(method)
    def guarded(run: TrackedRun, *arguments: Arguments.args, **keywords: Arguments.kwargs) -> None:
        if run.lost:
            return
        try:
            method(run, *arguments, **keywords)
        except UNREACHABLE as error:
            run.lost = True
            _warn(run.uri, error)

    return cast("Callable[Concatenate[TrackedRun, Arguments], None]", guarded)


def _warn(uri: str, error: Exception) -> None:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    console.warn(f"MLflow at {uri} cannot be used; going on without it ({reason[:200]})")


class TrackedRun:
    """What a stage tells MLflow; made by `track_model`."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.lost = False
        self.run_id = ""
        self._client: MlflowClient
        self._experiment_id = ""
        self._tags: dict[str, str] = {}
        self._logged: dict[tuple[str, int], float] = {}

    @_never_in_the_way
    def begin(self, project: Project, experiment: str, lineage: Lineage) -> None:
        _keep_mlflow_quiet_and_quick()
        with _alone_with(self.uri):
            self._client = MlflowClient(self.uri)
            self._experiment_id = self._experiment(project, experiment)
        self._tags = {
            KEY: lineage.key,
            "model": lineage.model,
            "dvc.data": lineage.data,
            "parameters": lineage.parameters,
            "code": lineage.code,
        }
        run = _find(self._client, self._experiment_id, lineage.key)
        if run is None:
            tags = environment.describe(project.root) | self._tags
            run = self._client.create_run(self._experiment_id, run_name=lineage.model, tags=tags)
        self.run_id = run.info.run_id
        self._logged = {
            (metric.key, metric.step): metric.value
            for key in run.data.metrics
            for metric in self._client.get_metric_history(self.run_id, key)
        }
        self._client.update_run(self.run_id, status="RUNNING")

    def _experiment(self, project: Project, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            experiment_id: str = found.experiment_id
            return experiment_id
        local = project.root / "mlruns" / name if self.uri.startswith(SQLITE) else None
        return self._client.create_experiment(name, artifact_location=local.as_uri() if local else None)

    @_never_in_the_way
    def end(self, status: str) -> None:
        self._client.set_terminated(self.run_id, status)

    @_never_in_the_way
    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Nested settings under dotted keys; a list of plain values stays one value."""
        flat = [Param(key, str(value)) for key, value in _flatten(parameters)]
        self._client.log_batch(self.run_id, params=flat)

    @_never_in_the_way
    def log_dataset(self, manifest: Manifest, lineage: Lineage, source: str) -> None:
        """The processed dataset as the run's input, under DVC's hash."""
        dataset = Dataset(
            name=manifest.dataset,
            digest=lineage.data,
            source_type="local",
            source=f'{{"uri": "{source}"}}',
            profile=f'{{"shape": {list(manifest.shape)}, "classes": {len(manifest.classes)}}}',
        )
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
        self._client.log_inputs(self.run_id, inputs)

    @_never_in_the_way
    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Figures at a step; what the run has there already is not said twice."""
        assert metrics.keys() <= METRICS, f"not in the vocabulary: {metrics.keys() - METRICS}"
        now = int(time.time() * 1000)
        new = {key: value for key, value in metrics.items() if not self._has(key, step, value)}
        self._client.log_batch(self.run_id, [Metric(key, value, now, step) for key, value in new.items()])
        self._logged |= {(key, step): value for key, value in new.items()}

    def _has(self, key: str, step: int, value: float) -> bool:
        """A figure that was timed stays as it was first; any other only as long as it is the same."""
        logged = self._logged.get((key, step))
        return logged is not None and (key in TIMED or logged == value)

    @_never_in_the_way
    def log_repeat(self, name: str, metrics: Mapping[str, float]) -> None:
        """The figures of one fold or seed, as a child run of its own; what is there already is not said twice."""
        key = f"{self._tags[KEY]}/{name}"
        begun = _find(self._client, self._experiment_id, key)
        if begun is not None and begun.info.status == "FINISHED":
            return
        tags = {**self._tags, KEY: key, "mlflow.parentRunId": self.run_id}
        run = begun or self._client.create_run(self._experiment_id, run_name=name, tags=tags)
        child = run.info.run_id
        now = int(time.time() * 1000)
        self._client.log_batch(child, [Metric(metric, value, now, 0) for metric, value in metrics.items()])
        self._client.set_terminated(child)

    @_never_in_the_way
    def log_proof(self, metrics: Mapping[str, float], tags: Mapping[str, str], sha256: str) -> None:
        """What validation found of an ONNX file; another file is timed anew."""
        if self._client.get_run(self.run_id).data.tags.get("onnx.sha256") != sha256:
            self._logged = {at: value for at, value in self._logged.items() if at[0] not in OF_VALIDATION}
        self.set_tags({**tags, "onnx.sha256": sha256})
        self.log_metrics(metrics)

    @_never_in_the_way
    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._client.log_batch(self.run_id, tags=[RunTag(tag, value) for tag, value in tags.items()])

    @_never_in_the_way
    def log_figure(self, name: str, figure: Figure) -> None:
        self._client.log_figure(self.run_id, figure, name)

    @_never_in_the_way
    def log_file(self, name: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            self._client.log_artifact(self.run_id, str(path))

    @_never_in_the_way
    def register(self, model: ValidatedModel) -> None:
        """Puts a model that passed its gates into the registry, once, and makes it the champion."""
        from penstock.tracking import registry  # half a second that training need not wait for

        registry.register(self._client, self.uri, self.run_id, model)


def _alone_with(uri: str) -> AbstractContextManager[object]:
    """Keeps a second stage away while MLflow makes the tables of a new database file, or an experiment in it."""
    return FileLock(f"{uri.removeprefix(SQLITE)}.lock") if uri.startswith(SQLITE) else nullcontext()


def training_seconds(project: Project, config: Config) -> dict[str, float]:
    """How long the epochs of each trained model took, where its run can be found: only MLflow knows."""
    from penstock.weights import read_lineage  # brings torch, which `penstock ui` does not need

    _keep_mlflow_quiet_and_quick()
    uri = tracking_uri(project, config)
    seconds = {}
    files = [project.model(name, config.block_of_model(name)).weights for name in config.every_model]
    trained = [weights for weights in files if weights.is_file()]
    try:
        with _alone_with(uri):
            client = MlflowClient(uri)
        for lineage in map(read_lineage, trained):
            experiment = client.get_experiment_by_name(config.model(lineage.model).dataset)
            run = _find(client, experiment.experiment_id, lineage.key) if experiment else None
            if run and "seconds" in run.data.metrics:
                seconds[lineage.model] = run.data.metrics["seconds"]
    except UNREACHABLE as error:
        _warn(uri, error)
    return seconds


def _find(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """The run of this computation, if there is one."""
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
    return found[0] if found else None


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield from _flatten({str(number): one for number, one in enumerate(value)}, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _keep_mlflow_quiet_and_quick() -> None:
    """Its defaults retry an unreachable server for minutes, and print where the run is after every stage."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_SECONDS))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(RETRIES))
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for library in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
        logging.getLogger(library).setLevel(logging.ERROR)
