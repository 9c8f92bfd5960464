"""Define the names of MLflow tags that several modules use."""

from __future__ import annotations

KEY = "penstock.key"  # the key of the provenance, by which later stages find the run
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
# The MLflow UI calls this kind "Machine learning", and opens such an experiment with its training runs.
EXPERIMENT_KIND = {"mlflow.experimentKind": "custom_model_development"}
