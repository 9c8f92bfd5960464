"""Download model files of runs and registered versions from MLflow, for a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModel, Run
from mlflow.exceptions import MlflowException

from penstock.core import console
from penstock.core.errors import ComparisonError
from penstock.core.model_files import ONNX
from penstock.io.files import sha256
from penstock.registry.download import download_version, find_version
from penstock.registry.model_uri import ModelURI
from penstock.tracking.client import UNREACHABLE, connect, find_run
from penstock.tracking.errors import failures_of_storage, reason_of
from penstock.tracking.tags import DVC_EXPERIMENT, MODEL, ONNX_SHA256


@dataclass(frozen=True)
class StoredRun:
    """A run of MLflow."""

    run_id: str
    model: str
    """The model that the run trained; empty if it says nothing."""
    onnx_sha256: str
    """Of the file that the run validated; empty if there is none."""
    experiment: str
    """The DVC experiment of the run; empty if it was none."""
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    status: str
    """`FINISHED`, `RUNNING`, `FAILED` or `KILLED`."""
    times: tuple[int, int]
    """Start and end in milliseconds since 1970; 0 if it has not ended."""

    @classmethod
    def of(cls, run: Run) -> StoredRun:
        tags = run.data.tags
        return cls(
            run_id=run.info.run_id,
            model=tags.get(MODEL, ""),
            onnx_sha256=tags.get(ONNX_SHA256, ""),
            experiment=tags.get(DVC_EXPERIMENT, ""),
            parameters=run.data.params,
            metrics=run.data.metrics,
            tags=tags,
            status=run.info.status,
            times=(run.info.start_time, run.info.end_time or 0),
        )


@dataclass(frozen=True)
class StoredVersion:
    """A version of a registered model."""

    name: str
    version: str
    aliases: tuple[str, ...]
    run_id: str
    tags: Mapping[str, str]

    @property
    def uri(self) -> str:
        return f"models:/{self.name}/{self.version}"

    @property
    def onnx_sha256(self) -> str:
        """Of the file that was validated; empty if it has no such tag."""
        return self.tags.get(ONNX_SHA256, "")


class ModelStore:
    """The models in the MLflow of a project; it connects when it is first used.

    Args:
        uri: Tracking URI.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._connected: MlflowClient | None = None
        self._unusable = False

    @property
    def _client(self) -> MlflowClient:
        if self._connected is None:
            self._connected = connect(self._uri)
            mlflow.set_tracking_uri(self._uri)  # of `models:/` addresses, which no argument tells
        return self._connected

    def run(self, run_id: str) -> StoredRun | None:
        """Return a run; None if there is none of this ID."""
        with self._failures(run_id):
            try:
                return StoredRun.of(self._client.get_run(run_id))
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return None

    def run_of_key(self, experiment: str, key: str) -> StoredRun | None:
        """Return the run with this key of a provenance; None if there is none, or if MLflow cannot be used."""
        if self._unusable:  # each try takes seconds
            return None
        try:
            found = self._client.get_experiment_by_name(experiment)
            run = find_run(self._client, found.experiment_id, key) if found else None
        except UNREACHABLE as error:
            self._unusable = True
            console.warn(f"cannot use MLflow at {self._uri}; its records are left out ({reason_of(error)})")
            return None
        return StoredRun.of(run) if run else None

    def runs_of_file(self, digest: str) -> list[StoredRun]:
        """Return the runs that validated the file of a sha256."""
        with self._failures(digest):
            experiments = [one.experiment_id for one in self._client.search_experiments()]
            found = self._client.search_runs(experiments, f"tags.`{ONNX_SHA256}` = '{digest}'")
            return [StoredRun.of(run) for run in found]

    def versions_of_file(self, digest: str) -> list[StoredVersion]:
        """Return the registered versions of the file of a sha256, as their tags say, the newest first."""
        return self._versions(f"tags.`{ONNX_SHA256}` = '{digest}'", digest)

    def versions(self, name: str) -> list[StoredVersion]:
        """Return all versions of a registered model, the newest first."""
        return self._versions(f"name = '{name}'", name)

    def _versions(self, condition: str, reference: str) -> list[StoredVersion]:
        with self._failures(reference):
            found = list(self._client.search_model_versions(condition))
            aliases = {name: self._client.get_registered_model(name).aliases for name in {one.name for one in found}}
            versions = [
                StoredVersion(
                    name=one.name,
                    version=str(one.version),
                    aliases=tuple(alias for alias, to in aliases[one.name].items() if str(to) == str(one.version)),
                    run_id=one.run_id or "",
                    tags=one.tags,
                )
                for one in found
            ]
        return sorted(versions, key=lambda one: -int(one.version))

    def download_version(self, text: str, folder: Path) -> tuple[Path, str]:
        """Download the file of a version, and return its path and the ID of its run.

        Args:
            text: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
            folder: Where to write it.
        """
        uri = ModelURI.parse(text)
        with self._failures(text):
            version = find_version(self._client, uri)
            return download_version(version, folder) / ONNX, version.run_id or ""

    def download_run(self, run: StoredRun, folder: Path) -> Path | None:
        """Download the file that a run validated; None if MLflow does not have it.

        Raises:
            ComparisonError: The run has several files, and does not say which of them it validated.
        """
        with self._failures(run.run_id):
            paths = [path for model in self._logged_models(run.run_id) if (path := self._download(model, folder))]
        if run.onnx_sha256:
            return next((path for path in paths if sha256(path) == run.onnx_sha256), None)
        if len(paths) > 1:
            raise ComparisonError(f"{run.run_id}: the run has {len(paths)} ONNX files; name one of them by its path")
        return next(iter(paths), None)

    def _logged_models(self, run_id: str) -> list[LoggedModel]:
        experiment_id = self._client.get_run(run_id).info.experiment_id
        found = self._client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
        return list(found)

    def _download(self, model: LoggedModel, folder: Path) -> Path | None:
        try:
            with failures_of_storage():
                target = folder / model.model_id
                target.mkdir()
                # `models:/ID/FILE` would be a version of a registered model.
                uri = f"{model.artifact_location}/{ONNX}"
                path = download_artifacts(uri, dst_path=str(target), tracking_uri=self._uri)
        except (MlflowException, OSError):  # a logged model of another kind
            return None
        return Path(path)

    @contextmanager
    def _failures(self, reference: str) -> Iterator[None]:
        try:
            yield
        except UNREACHABLE as error:
            raise ComparisonError(
                f"{reference}: MLflow does not have it, or cannot be used: {reason_of(error)}"
            ) from None
