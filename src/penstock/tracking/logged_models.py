"""Log the ONNX file of a run as a logged model of MLflow, with its metrics on the test split of the dataset.

The file itself stays in DVC, so the model is an external one until `penstock register` stores the file with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric, Run

from penstock.tracking.tags import EXTERNAL, ONNX_SHA256

MODEL_TYPE = "onnx"


def find_model(client: MlflowClient, run: Run, sha256: str) -> LoggedModel | None:
    """Return the logged model of a run and an ONNX file, or None."""
    mine = f"source_run_id = '{run.info.run_id}' AND tags.`{ONNX_SHA256}` = '{sha256}'"
    found = client.search_logged_models([run.info.experiment_id], mine, max_results=1)
    return found[0] if found else None


@dataclass(frozen=True, kw_only=True)
class OnnxModel:
    """An ONNX file and the test split that it is measured on."""

    name: str
    """Name of the logged model."""
    sha256: str
    """Of the file."""
    dataset: str
    """Name of the test split in MLflow."""
    digest: str
    """Digest of the dataset that it is part of."""
    tags: Mapping[str, str]
    """More tags."""

    def create(self, client: MlflowClient, run: Run) -> LoggedModel:
        """Create the logged model, with the parameters of its run."""
        return client.create_logged_model(
            run.info.experiment_id,
            name=self.name.replace(".", "-"),  # MLflow takes no dot
            source_run_id=run.info.run_id,
            tags={**self.tags, ONNX_SHA256: self.sha256, EXTERNAL: "true"},
            params=run.data.params,
            model_type=MODEL_TYPE,
        )

    def link(self, client: MlflowClient, run: Run, model: LoggedModel) -> None:
        """Make the model an output of its run, and say that it is complete, unless that has been done."""
        outputs = run.outputs.model_outputs if run.outputs else []
        if model.model_id not in {output.model_id for output in outputs}:
            client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step=0)])
        if model.status != LoggedModelStatus.READY:
            client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)

    def metric(self, model: LoggedModel, name: str, value: float, at: int) -> Metric:
        """Return a metric of the file on the test split.

        Args:
            model: The logged model.
            name: Name of the metric.
            value: Its value.
            at: Time of the measurement, in milliseconds since 1970.
        """
        return Metric(name, value, at, 0, model.model_id, self.dataset, self.digest)
