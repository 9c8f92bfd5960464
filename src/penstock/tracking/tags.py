"""Names of the tags in MLflow that more than one module uses."""

from __future__ import annotations

KEY = "penstock.key"  # the provenance's key: later stages find the run of a computation by it
WORKED = "penstock.worked"  # see `penstock.tracking.worked_time`
DATA = "dvc.data"
PARAMETERS = "parameters"
CODE = "code"
MODEL = "model"
ONNX_SHA256 = "onnx.sha256"
DVC_EXPERIMENT = "dvc.exp.name"
DVC_BASELINE = "dvc.exp.baseline_rev"
COMMIT = "mlflow.source.git.commit"
DESCRIPTION = "mlflow.note.content"
PARENT = "mlflow.parentRunId"
# MLflow's page opens an experiment of this kind with its training runs; it calls the kind "Machine learning".
EXPERIMENT_KIND = {"mlflow.experimentKind": "custom_model_development"}
