"""Log a study to MLflow: one run, whose children are the trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.io.processed_dataset import ProcessedDataset
from penstock.tracking import environment
from penstock.tracking.description import experiment_description
from penstock.tracking.run import Emit, ending, spooled
from penstock.tracking.tags import KEY, MODEL
from penstock.tracking.uri import local_artifacts, tracking_uri


def study_key(study: str) -> str:
    """Return the tag `penstock.key` of the run of a study."""
    return f"study/{study}"


class StudyRun:
    """The run of a study; created by `track_study`."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics of the study; the step is its number of finished trials."""
        self._emit("metrics", {"metrics": {name: float(value) for name, value in metrics.items()}, "step": step})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._emit("tags", dict(tags))

    def end(self, status: str | None) -> None:
        """End the run with a status of MLflow; a later `penstock sweep` continues it."""
        self._emit("end", {"status": status})


@contextmanager
def track_study(project: Project, config: Config, model: str, study: str) -> Iterator[StudyRun]:
    """Find or create the run of a study, and end it with the block, as `track_model` does."""
    experiment = config.model(model).dataset
    with spooled(project, tracking_uri(project, config)) as emit:
        emit(
            "begin",
            {
                "experiment": experiment,
                "artifacts": local_artifacts(project, experiment),
                "name": study,
                "identity": {KEY: study_key(study), MODEL: model},
                "environment": environment.describe(project),
            },
        )
        info = ProcessedDataset(project.processed(experiment)).info
        emit("description", {"experiment": experiment_description(info)})
        run = StudyRun(emit)
        with ending(run.end):
            yield run
