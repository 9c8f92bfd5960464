"""docs/metrics.md lists every metric that a run logs, and no other."""

import re

import pytest
from mlflow import MlflowClient

from penstock.tracking.metric_names import is_timed


@pytest.fixture
def documented(repository):
    rows = re.findall(r"^\| `([\w/]+)` \| (.+?) \|", (repository / "docs/metrics.md").read_text(), re.MULTILINE)
    names = [name for name, _ in rows]
    assert len(names) == len(set(names))
    return dict(rows)


def test_every_logged_metric_is_documented_and_every_documented_metric_is_logged(changed_run, documented):
    changed_run.run("python", "pipelines/seeds.py", "iris_mlp")
    client = MlflowClient(f"sqlite:///{changed_run.root}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    logged = {name for run in client.search_runs(experiments) for name in run.data.metrics}
    assert logged == documented.keys()


def test_durations_and_rates_are_recognised_by_their_names(documented):
    assert {name for name in documented if is_timed(name)} == {
        name for name, unit in documented.items() if unit in {"ms", "s", "1/s"}
    }
