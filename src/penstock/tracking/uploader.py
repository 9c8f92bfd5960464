"""Telling MLflow what is in a letter. A letter, or a part of one, that is delivered twice changes nothing."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, redirect_stderr, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from penstock.core import console
from penstock.tracking.environment import KEY
from penstock.tracking.errors import OF_MLFLOW, failures_of_storage, reason_of
from penstock.tracking.metric_names import is_timed
from penstock.tracking.model_version import arrays
from penstock.tracking.spool import Message, discard, messages, pending_logs, quarantine
from penstock.tracking.uri import SQLITE, be_brief

CHAMPION = "champion"
# What MLflow raises for a server or a database that it cannot use, some of it SQLAlchemy's own.
UNREACHABLE = (*OF_MLFLOW, SQLAlchemyError)
REFUSALS = (400, 404)
ONLY_ERRORS = 3  # of onnxruntime's severities

be_brief()


class Uploader:
    """One letter on its way to one MLflow."""

    def __init__(self, letter: Path, uri: str) -> None:
        self.letter = letter
        self.uri = uri
        self._offset = 0
        self._warned = False
        self._connected: MlflowClient | None = None
        self._experiment_id = ""
        self._run_id = ""
        self._identity: dict[str, str] = {}
        self._logged: dict[tuple[str, int], float] = {}
        self._kinds: dict[str, Callable[[Message], None]] = {
            "begin": self._begin,
            "parameters": self._parameters,
            "dataset": self._dataset,
            "metrics": self._metrics,
            "repeat": self._repeat,
            "validation": self._validation,
            "tags": self._tags,
            "file": self._file,
            "register": self._register,
            "end": self._end,
        }

    def upload_pending(self) -> None:
        """Delivers the messages that are there by now, from where the last call stopped.

        A message that MLflow refuses, or that nobody understands, is set aside with a warning.

        Raises:
            any of UNREACHABLE: MLflow cannot be told.
        """
        if self._connected is None:
            self._connected = connect(self.uri)
        for message, behind in messages(self.letter, self._offset):
            try:
                self._kinds[message.what](message)
            except MlflowException as error:
                if not _is_refusal(error):
                    raise
                self._refuse(message, reason_of(error))
            except (KeyError, TypeError) as error:
                self._refuse(message, f"{message.what}: {reason_of(error)}")
            self._offset = behind

    @property
    def _client(self) -> MlflowClient:
        assert self._connected is not None
        return self._connected

    def _refuse(self, message: Message, reason: str) -> None:
        kept = quarantine(self.letter, message)
        if not self._warned:
            console.warn(f"MLflow at {self.uri} refuses what a stage has to say, which is kept in {kept} ({reason})")
        self._warned = True

    def _begin(self, message: Message) -> None:
        self._identity = message.content["identity"]
        with _alone_with(self.uri):
            self._experiment_id = self._experiment(message.content["experiment"], message.content["artifacts"])
        run = find(self._client, self._experiment_id, self._identity[KEY])
        if run is None:
            tags = message.content["environment"] | self._identity
            run = self._client.create_run(
                self._experiment_id, start_time=message.at, run_name=message.content["name"], tags=tags
            )
        self._run_id = run.info.run_id
        self._logged = {
            (metric.key, metric.step): metric.value
            for key in run.data.metrics
            for metric in self._client.get_metric_history(self._run_id, key)
        }
        self._client.update_run(self._run_id, status="RUNNING")

    def _experiment(self, name: str, artifacts: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            experiment_id: str = found.experiment_id
            return experiment_id
        local = artifacts if self.uri.startswith(SQLITE) else None
        return self._client.create_experiment(name, artifact_location=local)

    def _end(self, message: Message) -> None:
        self._client.set_terminated(self._run_id, message.content["status"], end_time=message.at)

    def _parameters(self, message: Message) -> None:
        self._client.log_batch(self._run_id, params=[Param(key, value) for key, value in message.content.items()])

    def _dataset(self, message: Message) -> None:
        inputs = [DatasetInput(Dataset(**message.content), [InputTag("mlflow.data.context", "training")])]
        self._client.log_inputs(self._run_id, inputs)

    def _metrics(self, message: Message) -> None:
        self._log_metrics(message.content["metrics"], message.content["step"], message.at)

    def _log_metrics(self, metrics: dict[str, float], step: int, at: int) -> None:
        new = {key: value for key, value in metrics.items() if not self._has(key, step, value)}
        self._client.log_batch(self._run_id, [Metric(key, value, at, step) for key, value in new.items()])
        self._logged |= {(key, step): value for key, value in new.items()}

    def _has(self, key: str, step: int, value: float) -> bool:
        """A figure that was timed stays as it was first; any other only as long as it is the same."""
        logged = self._logged.get((key, step))
        return logged is not None and (is_timed(key) or logged == value)

    def _repeat(self, message: Message) -> None:
        name, metrics = message.content["name"], message.content["metrics"]
        key = f"{self._identity[KEY]}/{name}"
        begun = find(self._client, self._experiment_id, key)
        if begun is not None and begun.info.status == "FINISHED":
            return
        tags = {**self._identity, KEY: key, "mlflow.parentRunId": self._run_id}
        run = begun or self._client.create_run(self._experiment_id, start_time=message.at, run_name=name, tags=tags)
        child = run.info.run_id
        self._client.log_batch(child, [Metric(metric, value, message.at, 0) for metric, value in metrics.items()])
        self._client.set_terminated(child, end_time=message.at)

    def _validation(self, message: Message) -> None:
        metrics, sha256 = message.content["metrics"], message.content["sha256"]
        if self._client.get_run(self._run_id).data.tags.get("onnx.sha256") != sha256:
            self._logged = {at: value for at, value in self._logged.items() if at[0] not in metrics}
        self._log_metrics(metrics, 0, message.at)
        # Last, for as long as it is not there, the metrics are new.
        self._set_tags({**message.content["tags"], "onnx.sha256": sha256})

    def _tags(self, message: Message) -> None:
        self._set_tags(message.content)

    def _set_tags(self, tags: dict[str, str]) -> None:
        self._client.log_batch(self._run_id, tags=[RunTag(tag, value) for tag, value in tags.items()])

    def _file(self, message: Message) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / message.content["name"]
            path.write_bytes(base64.b64decode(message.content["base64"]))
            with failures_of_storage():
                self._client.log_artifact(self._run_id, str(path))

    def _register(self, message: Message) -> None:
        model = message.content
        known = self._same_bytes(model["name"], model["sha256"])
        if known is None:
            with failures_of_storage():
                known = self._log_model(model)
        self._client.set_registered_model_alias(model["name"], CHAMPION, known.version)

    def _same_bytes(self, name: str, sha256: str) -> ModelVersion | None:
        versions = self._client.search_model_versions(f"name = '{name}'")
        return next((one for one in versions if one.tags.get("onnx.sha256") == sha256), None)

    def _log_model(self, model: dict[str, Any]) -> ModelVersion:
        """Logs the file with signature and example to the run, and registers it."""
        import mlflow.onnx  # half a second that only this needs
        import onnx
        import onnxruntime
        from mlflow.models import infer_signature

        mlflow.set_tracking_uri(self.uri)
        # MLflow opens the file, and onnxruntime would warn of an input that has a default, which is what we want.
        onnxruntime.set_default_logger_severity(ONLY_ERRORS)
        example, answers = arrays(model["example"]), arrays(model["answers"])
        # MLflow tells standard error what it did, past its own logger; the stage's line says it here.
        with mlflow.start_run(run_id=self._run_id), redirect_stderr(io.StringIO()):
            logged = mlflow.onnx.log_model(
                onnx.load_from_string(base64.b64decode(model["proto"])),
                name="model",
                signature=infer_signature(example, answers),
                input_example=example,
                # What serving needs; without this line MLflow would run the model to find out.
                pip_requirements=[f"{library}=={version(library)}" for library in ("onnxruntime", "numpy")],
                onnx_execution_providers=["CPUExecutionProvider"],
                save_as_external_data=False,
            )
            # With its tags in one step: a version without them would not be known again.
            return mlflow.register_model(logged.model_uri, model["name"], tags=model["tags"])


def upload_pending_logs(outbox: Path, uri: str, but: Path | None = None) -> None:
    """What stages before this one could not say; a letter that fails by itself waits for another time.

    Raises:
        any of UNREACHABLE: MLflow does not answer.
    """
    letters = [letter for letter in pending_logs(outbox, uri) if letter != but]
    if letters:
        connect(uri)
    for letter in letters:
        with suppress(*UNREACHABLE):
            Uploader(letter, uri).upload_pending()
            discard(letter)


def warn_of_absence(uri: str, error: Exception) -> None:
    kept = "what it misses is kept in .penstock/outbox for a later stage or `penstock results`"
    console.warn(f"MLflow at {uri} cannot be used; going on without it, and {kept} ({reason_of(error)})")


def connect(uri: str) -> MlflowClient:
    """A client of an MLflow that answers.

    Raises:
        any of UNREACHABLE.
    """
    with _alone_with(uri):
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


def _alone_with(uri: str) -> AbstractContextManager[object]:
    """Keeps a second process away while MLflow makes the tables of a new database file, or an experiment in it."""
    return FileLock(f"{uri.removeprefix(SQLITE)}.lock") if uri.startswith(SQLITE) else nullcontext()


def find(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """The run of this computation, if there is one."""
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
    return found[0] if found else None


def _is_refusal(error: MlflowException) -> bool:
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return status in REFUSALS
