"""Register an ONNX model in MLflow's model registry."""

from __future__ import annotations

import base64
import io
from contextlib import redirect_stderr
from importlib.metadata import version
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from penstock.tracking.client import is_rejection
from penstock.tracking.errors import failures_of_storage
from penstock.tracking.model_version import arrays
from penstock.tracking.tags import ONNX_SHA256

CHAMPION = "champion"
ONNXRUNTIME_ERROR = 3  # severity


def register(client: MlflowClient, uri: str, run_id: str, model: dict[str, Any], at: int) -> None:
    """Register an ONNX file as a new version, unless it is registered, and set the alias `champion` to it.

    Args:
        client: Client of the MLflow at `uri`.
        uri: Tracking URI.
        run_id: Run that the model belongs to.
        model: `ModelVersionContent.content`.
        at: Time of the registration, in milliseconds since 1970. An event that arrives late moves no newer alias.
    """
    champion = _champion(client, model["name"])
    known = _same_file(client, model["name"], model["sha256"])
    if known is None:
        with failures_of_storage():
            known = _log_model(uri, run_id, model)
    if champion is None or champion.creation_timestamp <= at:
        client.set_registered_model_alias(model["name"], CHAMPION, known.version)


def _champion(client: MlflowClient, name: str) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if not is_rejection(error):
            raise
        return None


def _same_file(client: MlflowClient, name: str, sha256: str) -> ModelVersion | None:
    versions = client.search_model_versions(f"name = '{name}'")
    return next((one for one in versions if one.tags.get(ONNX_SHA256) == sha256), None)


def _log_model(uri: str, run_id: str, model: dict[str, Any]) -> ModelVersion:
    """Log the file to the run with its signature and input example, and register it."""
    import mlflow.onnx  # takes half a second, and only this function needs it
    import onnx
    import onnxruntime
    from mlflow.models import infer_signature

    mlflow.set_tracking_uri(uri)
    # MLflow loads the file, and onnxruntime would warn about an optional input.
    onnxruntime.set_default_logger_severity(ONNXRUNTIME_ERROR)
    example, answers = arrays(model["example"]), arrays(model["answers"])
    # MLflow writes to stderr without its logger; the line of the stage reports the registration.
    with mlflow.start_run(run_id=run_id), redirect_stderr(io.StringIO()):
        logged = mlflow.onnx.log_model(
            onnx.load_from_string(base64.b64decode(model["proto"])),
            name="model",
            signature=infer_signature(example, answers),
            input_example=example,
            # The requirements for serving; without this line MLflow would run the model to infer them.
            pip_requirements=[f"{library}=={version(library)}" for library in ("onnxruntime", "numpy")],
            onnx_execution_providers=["CPUExecutionProvider"],
            save_as_external_data=False,
        )
        # In one request with the tags: `_same_file` would not find a version without them.
        return mlflow.register_model(logged.model_uri, model["name"], tags=model["tags"])
