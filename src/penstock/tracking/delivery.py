"""Telling MLflow what is in a letter. A letter, or a part of one, that is delivered twice changes nothing."""

from __future__ import annotations

import base64
import io
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, redirect_stderr
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from penstock import console
from penstock.tracking.outbox import Message, discard, left_letters, messages, set_aside
from penstock.tracking.registry import arrays
from penstock.tracking.run import KEY, SQLITE
from penstock.tracking.vocabulary import OF_VALIDATION, TIMED

CHAMPION = "champion"
TIMEOUT_SECONDS, RETRIES = 10, 2
# What MLflow raises for a server or a database that it cannot use, some of it SQLAlchemy's own: ImportError is a
# database's missing driver, ValueError an address that is none.
UNREACHABLE = (MlflowException, SQLAlchemyError, OSError, ImportError, ValueError)
REFUSALS = (400, 404)

# Its defaults retry an unreachable server for minutes, and print where the run is after every stage.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_SECONDS))
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(RETRIES))
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
for library in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
    logging.getLogger(library).setLevel(logging.ERROR)


class RefusedError(Exception):
    """MLflow could be asked, and will say the same again."""


class Delivery:
    """One letter on its way to one MLflow."""

    def __init__(self, letter: Path, uri: str) -> None:
        self.letter = letter
        self.uri = uri
        self._offset = 0
        self._client: MlflowClient
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
            "proof": self._proof,
            "tags": self._tags,
            "file": self._file,
            "register": self._register,
            "end": self._end,
        }

    def go_on(self) -> None:
        """Delivers the messages that are there by now, from where the last call stopped.

        Raises:
            RefusedError: MLflow does not want one of them.
            any of UNREACHABLE: it cannot be told.
        """
        for message, behind in messages(self.letter, self._offset):
            try:
                self._kinds[message.what](message)
            except MlflowException as error:
                if self._run_id and _is_refusal(error):
                    raise RefusedError(_reason(error)) from None
                raise
            self._offset = behind

    def _begin(self, message: Message) -> None:
        self._identity = message.content["identity"]
        with alone_with(self.uri):
            self._client = MlflowClient(self.uri)
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
        return logged is not None and (key in TIMED or logged == value)

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

    def _proof(self, message: Message) -> None:
        sha256 = message.content["sha256"]
        if self._client.get_run(self._run_id).data.tags.get("onnx.sha256") != sha256:
            self._logged = {at: value for at, value in self._logged.items() if at[0] not in OF_VALIDATION}
        self._set_tags({**message.content["tags"], "onnx.sha256": sha256})
        self._log_metrics(message.content["metrics"], 0, message.at)

    def _tags(self, message: Message) -> None:
        self._set_tags(message.content)

    def _set_tags(self, tags: dict[str, str]) -> None:
        self._client.log_batch(self._run_id, tags=[RunTag(tag, value) for tag, value in tags.items()])

    def _file(self, message: Message) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / message.content["name"]
            path.write_bytes(base64.b64decode(message.content["base64"]))
            self._client.log_artifact(self._run_id, str(path))

    def _register(self, message: Message) -> None:
        model = message.content
        known = self._same_bytes(model["name"], model["sha256"])
        number = known.version if known else self._log_model(model)
        if not known:
            for tag, value in model["tags"].items():
                self._client.set_model_version_tag(model["name"], number, tag, value)
        self._client.set_registered_model_alias(model["name"], CHAMPION, number)

    def _same_bytes(self, name: str, sha256: str) -> ModelVersion | None:
        versions = self._client.search_model_versions(f"name = '{name}'")
        return next((one for one in versions if one.tags.get("onnx.sha256") == sha256), None)

    def _log_model(self, model: dict[str, Any]) -> str:
        """Logs the file with signature and example to the run, and registers it; its version."""
        import mlflow.onnx  # half a second that only this needs
        import onnx
        from mlflow.models import infer_signature

        mlflow.set_tracking_uri(self.uri)
        example, answers = arrays(model["example"]), arrays(model["answers"])
        # MLflow tells standard error what it did, past its own logger; the stage's line says it here.
        with mlflow.start_run(run_id=self._run_id), redirect_stderr(io.StringIO()):
            logged = mlflow.onnx.log_model(
                onnx.load_from_string(base64.b64decode(model["proto"])),
                name="model",
                signature=infer_signature(example, answers),
                input_example=example,
                registered_model_name=model["name"],
                # What serving needs; without this line MLflow would run the model to find out.
                pip_requirements=[f"{library}=={version(library)}" for library in ("onnxruntime", "numpy")],
                onnx_execution_providers=["CPUExecutionProvider"],
                save_as_external_data=False,
            )
        return str(logged.registered_model_version)


def deliver_left_letters(outbox: Path, uri: str) -> None:
    """What stages before this one could not say.

    Raises:
        any of UNREACHABLE.
    """
    for letter in left_letters(outbox, uri):
        try:
            Delivery(letter, uri).go_on()
        except RefusedError as error:
            warn_of_refusal(uri, letter, error)
        else:
            discard(letter)


def warn_of_refusal(uri: str, letter: Path, error: RefusedError) -> None:
    """Puts the letter where it is in nobody's way."""
    kept = set_aside(letter)
    console.warn(f"MLflow at {uri} refuses what a stage has to say, which is kept in {kept} ({error})")


def warn_of_absence(uri: str, error: Exception) -> None:
    console.warn(f"MLflow at {uri} cannot be used; going on without it ({_reason(error)})")


def alone_with(uri: str) -> AbstractContextManager[object]:
    """Keeps a second process away while MLflow makes the tables of a new database file, or an experiment in it."""
    return FileLock(f"{uri.removeprefix(SQLITE)}.lock") if uri.startswith(SQLITE) else nullcontext()


def find(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """The run of this computation, if there is one."""
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
    return found[0] if found else None


def _is_refusal(error: MlflowException) -> bool:
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return status in REFUSALS


def _reason(error: Exception) -> str:
    """The first line of what MLflow says."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
