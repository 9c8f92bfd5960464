"""What only MLflow knows of the models that lie in the project."""

from __future__ import annotations

from penstock.config import Config
from penstock.project import Project
from penstock.tracking.delivery import UNREACHABLE, connect, deliver_left_letters, find, warn_of_absence
from penstock.tracking.outbox import only_deliverer, outbox_of
from penstock.weights import read_lineage


def training_seconds(project: Project, config: Config, uri: str) -> dict[str, float]:
    """How long the epochs of each trained model took, where its run can be found."""
    seconds = {}
    files = [project.model(name, config.block_of_model(name)).weights for name in config.every_model]
    trained = [weights for weights in files if weights.is_file()]
    try:
        if (outbox := outbox_of(project)).is_dir():
            with only_deliverer(outbox, uri):
                deliver_left_letters(outbox, uri)
        client = connect(uri)
        for lineage in map(read_lineage, trained):
            experiment = client.get_experiment_by_name(config.model(lineage.model).dataset)
            run = find(client, experiment.experiment_id, lineage.key) if experiment else None
            if run and "seconds" in run.data.metrics:
                seconds[lineage.model] = run.data.metrics["seconds"]
    except UNREACHABLE as error:
        warn_of_absence(uri, error)
    return seconds
