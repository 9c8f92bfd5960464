"""Define the names of MLflow tags that several modules use, and the tags that identify a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the server reads registered models without the packages of the pipeline
    from penstock.io.provenance import Provenance

KEY = "penstock.key"  # the key of the provenance, by which later stages find the run
WORKED = "penstock.worked"  # see `penstock.tracking.worked_time`
DATA = "dvc.data"
PARAMETERS = "parameters"
CODE = "code"
MODEL = "model"
GATE = "gate"
STUDY = "penstock.study"  # of a trial, which is a child run: the name of its study
TRIAL = "penstock.trial"  # of a trial that has ended: complete, pruned or known
KNOWN_RUN = "penstock.known_run"  # of a trial whose result was known: the run that it was copied from
ONNX_SHA256 = "onnx.sha256"
PROJECT = "penstock.project"  # of a registered model: the project that registers it
RECORD = "penstock.record"  # of a registered model: the run that has the moves of its champion
PROMOTION = "promotion"  # of a version: whether it became champion, and why
EVIDENCE = "promotion.evidence"  # of a version: the figures behind it, as JSON
RESTORED = "penstock.restored"  # of a run that was created for files that were trained elsewhere
DVC_EXPERIMENT = "dvc.exp.name"
DVC_BASELINE = "dvc.exp.baseline_rev"
COMMIT = "mlflow.source.git.commit"
DESCRIPTION = "mlflow.note.content"
PARENT = "mlflow.parentRunId"
LOGGED_IMAGES, LOGGED_ARTIFACTS = "mlflow.loggedImages", "mlflow.loggedArtifacts"  # set where a run has some
EXTERNAL = "mlflow.model.isExternal"  # of a logged model whose file is not stored in MLflow
# The MLflow UI calls this kind "Machine learning", and opens such an experiment with its training runs.
EXPERIMENT_KIND = {"mlflow.experimentKind": "custom_model_development"}


def identity_tags(provenance: Provenance) -> dict[str, str]:
    """Return the tags by which the run of a provenance is found."""
    return {
        KEY: provenance.key,
        MODEL: provenance.model,
        DATA: provenance.data,
        PARAMETERS: provenance.parameters,
        CODE: provenance.code,
    }
