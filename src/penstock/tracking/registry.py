"""MLflow's model registry: one version per ONNX file that passed its gates."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import mlflow
import mlflow.onnx
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import infer_signature
from numpy.typing import NDArray

from penstock.lineage import Lineage

CHAMPION = "champion"


@dataclass(frozen=True, kw_only=True)
class ValidatedModel:
    """proto: the onnx.ModelProto; example: raw inputs [rows, ...] and answers: its outputs by name, for them."""

    name: str
    proto: Any
    sha256: str
    input_name: str
    example: NDArray[Any]
    answers: dict[str, NDArray[Any]]
    lineage: Lineage


def register(client: MlflowClient, uri: str, run_id: str, model: ValidatedModel) -> None:
    """Logs the file with signature and example to the run and registers it, unless the same bytes already are."""
    known = _same_bytes(client, model)
    number = known.version if known else _log(uri, run_id, model)
    if not known:
        tags = {
            "onnx.sha256": model.sha256,
            "dvc.data": model.lineage.data,
            "parameters": model.lineage.parameters,
        }
        for tag, value in tags.items():
            client.set_model_version_tag(model.name, number, tag, value)
    client.set_registered_model_alias(model.name, CHAMPION, number)


def _same_bytes(client: MlflowClient, model: ValidatedModel) -> ModelVersion | None:
    versions = client.search_model_versions(f"name = '{model.name}'")
    return next((one for one in versions if one.tags.get("onnx.sha256") == model.sha256), None)


def _log(uri: str, run_id: str, model: ValidatedModel) -> str:
    mlflow.set_tracking_uri(uri)
    example = {model.input_name: model.example}
    # MLflow tells standard error what it did, past its own logger; the stage's line says it here.
    with mlflow.start_run(run_id=run_id), redirect_stderr(io.StringIO()):
        logged = mlflow.onnx.log_model(
            model.proto,
            name="model",
            signature=infer_signature(example, model.answers),
            input_example=example,
            registered_model_name=model.name,
            # What serving needs; without this line MLflow would run the model to find out.
            pip_requirements=[f"{library}=={version(library)}" for library in ("onnxruntime", "numpy")],
            onnx_execution_providers=["CPUExecutionProvider"],
            save_as_external_data=False,
        )
    return str(logged.registered_model_version)
