"""Registers an ONNX model in MLflow's model registry."""

from __future__ import annotations

import base64
import io
from contextlib import redirect_stderr
from importlib.metadata import version
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from penstock.tracking.errors import failures_of_storage
from penstock.tracking.model_version import arrays
from penstock.tracking.tags import ONNX_SHA256

CHAMPION = "champion"
ONNXRUNTIME_ERROR = 3  # severity


def register(client: MlflowClient, uri: str, run_id: str, model: dict[str, Any]) -> None:
    """Register the file as a new version, unless there is a version of it, and make that the champion.

    Args:
        model: `ModelVersionContent.content`.
    """
    known = _same_file(client, model["name"], model["sha256"])
    if known is None:
        with failures_of_storage():
            known = _log_model(uri, run_id, model)
    client.set_registered_model_alias(model["name"], CHAMPION, known.version)


def _same_file(client: MlflowClient, name: str, sha256: str) -> ModelVersion | None:
    versions = client.search_model_versions(f"name = '{name}'")
    return next((one for one in versions if one.tags.get(ONNX_SHA256) == sha256), None)


def _log_model(uri: str, run_id: str, model: dict[str, Any]) -> ModelVersion:
    """Log the file with signature and input example to the run, and register it."""
    import mlflow.onnx  # half a second that only this needs
    import onnx
    import onnxruntime
    from mlflow.models import infer_signature

    mlflow.set_tracking_uri(uri)
    # MLflow opens the file, and onnxruntime would warn of an optional input.
    onnxruntime.set_default_logger_severity(ONNXRUNTIME_ERROR)
    example, answers = arrays(model["example"]), arrays(model["answers"])
    # MLflow writes to standard error past its own logger; the stage's line reports the registration.
    with mlflow.start_run(run_id=run_id), redirect_stderr(io.StringIO()):
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
        # With its tags in one step: a version without them would not be recognised again.
        return mlflow.register_model(logged.model_uri, model["name"], tags=model["tags"])
