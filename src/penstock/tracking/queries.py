"""Query facts about models that are stored only in MLflow."""

from __future__ import annotations

from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.io.weights import read_provenance
from penstock.tracking.client import UNREACHABLE, connect, find_run, warn_unreachable
from penstock.tracking.spool import spool_dir, uploader_lock
from penstock.tracking.uploader import upload_pending_logs
from penstock.tracking.uri import tracking_uri

SECONDS = "time/train_seconds"


def training_seconds(project: Project, config: Config) -> dict[str, float]:
    """Return the training time of each trained model, in seconds. Models without a run are left out.

    Pending events are uploaded first.
    """
    uri = tracking_uri(project, config)
    seconds = {}
    files = [project.model(name, config.block_of_model(name)).weights for name in config.every_model]
    trained = [weights for weights in files if weights.is_file()]
    try:
        if (spool := spool_dir(project)).is_dir():
            with uploader_lock(spool, uri):
                upload_pending_logs(spool, uri)
        client = connect(uri)
        for provenance in map(read_provenance, trained):
            experiment = client.get_experiment_by_name(config.model(provenance.model).dataset)
            run = find_run(client, experiment.experiment_id, provenance.key) if experiment else None
            if run and SECONDS in run.data.metrics:
                seconds[provenance.model] = run.data.metrics[SECONDS]
    except UNREACHABLE as error:
        warn_unreachable(uri, error)
    return seconds
