"""Register an ONNX file as a version in MLflow's model registry."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion
from numpy.typing import NDArray

from penstock.core.errors import PenstockError
from penstock.evaluation.session import feed_of, onnx_outputs, open_session
from penstock.io.provenance import Provenance
from penstock.tracking.client import find_run
from penstock.tracking.dataset_splits import split_name
from penstock.tracking.errors import failures_of_storage
from penstock.tracking.logged_models import OnnxModel, find_model
from penstock.tracking.tags import DATA, GATE, KEY, MODEL, ONNX_SHA256, PARAMETERS, PARENT, identity_tags

ONNXRUNTIME_ERROR = 3  # severity


@dataclass(frozen=True, kw_only=True)
class VersionContent:
    """What MLflow stores of a version."""

    name: str
    """Name of the registered model."""
    path: Path
    """The ONNX file."""
    sha256: str
    """Of the file that was validated."""
    example: NDArray[Any]
    """Raw input rows, [rows, ...]."""
    provenance: Provenance
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Metrics of the file on the test split by their names in MLflow; not logged if its validation has logged them."""
    is_int8: bool = False

    @property
    def tags(self) -> dict[str, str]:
        known = {ONNX_SHA256: self.sha256, DATA: self.provenance.data, PARAMETERS: self.provenance.parameters}
        return known | {GATE: "passed"}


def register_version(client: MlflowClient, run_id: str, content: VersionContent) -> ModelVersion:
    """Store a file with its logged model, signature and input example, and register it. The run stays as it is.

    Raises:
        PenstockError: The file is not the one that was validated.
        MlflowException, OSError: MLflow cannot store it.
    """
    model = content.path.read_bytes()
    if hashlib.sha256(model).hexdigest() != content.sha256:
        raise PenstockError(f"{content.path}: changed while it was registered; run `penstock register` again")
    with failures_of_storage():
        return _log_and_register(client, run_id, content, model)


def _logged_model(client: MlflowClient, run: Run, content: VersionContent) -> LoggedModel:
    """Return the logged model of the file; that of a file which was not validated here is created."""
    known = find_model(client, run, content.sha256)
    if known:
        return known
    dataset = client.get_experiment(run.info.experiment_id).name
    tags = identity_tags(content.provenance) | content.tags
    test, digest = split_name(dataset, "test"), content.provenance.data
    model = OnnxModel(name=content.name, sha256=content.sha256, dataset=test, digest=digest, tags=tags)
    created = model.create(client, run)
    now = int(time.time() * 1000)
    measured = [model.metric(created, name, value, now) for name, value in content.metrics.items()]
    client.log_batch(_int8_run(client, run, test) if content.is_int8 else run.info.run_id, measured)
    model.link(client, run, created)
    return created


def _int8_run(client: MlflowClient, run: Run, test: str) -> str:
    """Return the ID of the child run with the metrics of the int8 file: those of the run are the exact file's."""
    key = f"{run.data.tags[KEY]}/int8"
    found = find_run(client, run.info.experiment_id, key)
    if found is None:
        tags = {MODEL: run.data.tags.get(MODEL, ""), KEY: key, PARENT: run.info.run_id}
        found = client.create_run(run.info.experiment_id, tags=tags, run_name="int8")
        inputs = run.inputs.dataset_inputs if run.inputs else []
        client.log_inputs(found.info.run_id, [one for one in inputs if one.dataset.name == test])
        client.set_terminated(found.info.run_id)
    run_id: str = found.info.run_id
    return run_id


def _log_and_register(client: MlflowClient, run_id: str, content: VersionContent, model: bytes) -> ModelVersion:
    import mlflow.onnx  # takes half a second, and only this function needs it
    import onnx
    import onnxruntime
    from mlflow.models import infer_signature

    # MLflow loads the file, and onnxruntime would warn about an optional input.
    onnxruntime.set_default_logger_severity(ONNXRUNTIME_ERROR)
    session = open_session(model)
    example = feed_of(session, content.example)
    answers = onnx_outputs(session, content.example, len(content.example))
    mlflow.set_tracking_uri(client.tracking_uri)
    run = client.get_run(run_id)
    # Not `mlflow.start_run`, which would change the status and the end of the run.
    mlflow.set_experiment(experiment_id=run.info.experiment_id)
    with redirect_stderr(io.StringIO()):  # MLflow writes to stderr without its logger
        logged = mlflow.onnx.log_model(
            onnx.load_from_string(model),
            signature=infer_signature(example, answers),
            input_example=example,
            # The requirements for serving; without this line MLflow would run the model to infer them.
            pip_requirements=[f"{library}=={version(library)}" for library in ("onnxruntime", "numpy")],
            onnx_execution_providers=["CPUExecutionProvider"],
            save_as_external_data=False,
            # Not with the run, whose metrics MLflow would copy again.
            model_id=_logged_model(client, run, content).model_id,
        )
        # In one request with the tags: a version without them would not be found.
        return mlflow.register_model(logged.model_uri, content.name, tags=content.tags)
