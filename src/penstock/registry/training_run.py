"""Find the MLflow run of a model's training, or create one for files that were trained elsewhere."""

from __future__ import annotations

import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Run

from penstock.core.paths import Project
from penstock.io.files import sha256
from penstock.io.provenance import Provenance
from penstock.registry.local_models import LocalModel
from penstock.tracking.client import creation_lock, experiment_of, find_run
from penstock.tracking.tags import DESCRIPTION, ONNX_SHA256, RESTORED, identity_tags
from penstock.tracking.uri import SQLITE, local_artifacts

NOTE = (
    "Restored by `penstock register` from files that were trained elsewhere, as after `dvc pull`: this MLflow does not "
    "have their training. The tags identify data, parameters and code; the test metrics are those of the report."
)


def run_of(client: MlflowClient, project: Project, dataset: str, local: LocalModel, provenance: Provenance) -> str:
    """Return the ID of the run with the key of a provenance; create it if this MLflow has none.

    Args:
        client: Client of MLflow.
        project: The project.
        dataset: Dataset of the model, whose name is that of the experiment.
        local: The validated file.
        provenance: Its provenance.
    """
    uri = client.tracking_uri
    with creation_lock(uri):
        artifacts = local_artifacts(project, dataset) if uri.startswith(SQLITE) else None
        experiment_id = experiment_of(client, dataset, artifacts)
    run = find_run(client, experiment_id, provenance.key) or _restore(client, experiment_id, local, provenance)
    run_id: str = run.info.run_id
    return run_id


def _restore(client: MlflowClient, experiment_id: str, local: LocalModel, provenance: Provenance) -> Run:
    now = int(time.time() * 1000)
    tags = identity_tags(provenance) | {RESTORED: "true", DESCRIPTION: NOTE, ONNX_SHA256: sha256(local.files.onnx)}
    run = client.create_run(experiment_id, start_time=now, run_name=f"{local.model} (restored)", tags=tags)
    metrics = [Metric(name, value, now, 0) for name, value in local.exact_metrics().items()]
    client.log_batch(run.info.run_id, metrics)
    client.set_terminated(run.info.run_id, end_time=now)
    return run
