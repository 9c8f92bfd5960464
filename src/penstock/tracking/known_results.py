"""Find the results of trainings in MLflow, and set the status of the runs of a study."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mlflow import MlflowClient
from mlflow.entities import Run

from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.tracking.client import UNREACHABLE, connect, warn_unreachable
from penstock.tracking.metric_names import BEST_EPOCH, EPOCHS, TRAIN_SECONDS, VAL_LOSS
from penstock.tracking.spool import spool_dir, uploader_lock
from penstock.tracking.tags import DATA, KEY, MODEL, STUDY
from penstock.tracking.training_result import TrainingResult
from penstock.tracking.uploader import upload_pending_logs
from penstock.tracking.uri import tracking_uri


def known_results(project: Project, config: Config, model: str, data: str, score: str) -> dict[str, TrainingResult]:
    """Return the complete trainings of a model on the same data, by the key of their provenance.

    Events in the spool are uploaded first. An unreachable MLflow gives a warning and no result.

    Args:
        project: The project.
        config: Its settings.
        model: Name of the model.
        data: DVC hash of the processed dataset.
        score: Name of the validation metric, such as `val/accuracy`.
    """
    uri = tracking_uri(project, config)
    try:
        if (spool := spool_dir(project)).is_dir():
            with uploader_lock(spool, uri):
                upload_pending_logs(spool, uri)
        client = connect(uri)
        runs = _runs(client, config.model(model).dataset, f"tags.{MODEL} = '{model}' and tags.`{DATA}` = '{data}'")
        found = {run.data.tags[KEY]: _result(client, run, score) for run in runs if _is_complete(run, score)}
    except UNREACHABLE as error:
        warn_unreachable(uri, error)
        return {}
    return {key: result for key, result in found.items() if result is not None}


def _runs(client: MlflowClient, experiment: str, condition: str) -> Iterator[Run]:
    found = client.get_experiment_by_name(experiment)
    token: str | None = ""
    while found is not None and token is not None:
        page = client.search_runs([found.experiment_id], condition, page_token=token or None)
        yield from page
        token = page.token or None


def _is_complete(run: Run, score: str) -> bool:
    """Return whether a training has ended; a fold, a seed and a copied result have a slash in their key."""
    return BEST_EPOCH in run.data.metrics and score in run.data.metrics and "/" not in run.data.tags.get(KEY, "/")


def _result(client: MlflowClient, run: Run, score: str) -> TrainingResult | None:
    metrics = run.data.metrics
    epoch = int(metrics[BEST_EPOCH])
    value = _at_step(client, run, score, epoch)
    if value is None:
        return None
    loss = _at_step(client, run, VAL_LOSS, epoch) if VAL_LOSS in metrics else None
    epochs, seconds = int(metrics.get(EPOCHS, epoch)), metrics.get(TRAIN_SECONDS, 0.0)
    study = run.data.tags.get(STUDY, "")
    return TrainingResult(value, loss, epoch, epochs, seconds, run=run.info.run_id, study=study)


def _at_step(client: MlflowClient, run: Run, metric: str, step: int) -> float | None:
    values = [one.value for one in client.get_metric_history(run.info.run_id, metric) if one.step == step]
    return values[-1] if values else None


def finish_runs(project: Project, config: Config, model: str, study: str, keys: Collection[str]) -> None:
    """Set the runs of finished trials to `FINISHED`.

    The log of a killed worker may be uploaded after the trial was finished elsewhere, and ends its run as `KILLED`.

    Args:
        project: The project.
        config: Its settings.
        model: Name of the model.
        study: Name of the study.
        keys: Keys of the provenance of the trials that are complete or pruned.
    """
    uri = tracking_uri(project, config)
    try:
        client = connect(uri)
        for run in _runs(client, config.model(model).dataset, f"tags.`{STUDY}` = '{study}'"):
            if run.info.status != "FINISHED" and run.data.tags.get(KEY) in keys:
                client.set_terminated(run.info.run_id, "FINISHED", end_time=run.info.end_time)
    except UNREACHABLE as error:
        warn_unreachable(uri, error)
