"""Tests that docs/metrics.md lists exactly the metrics that a run logs."""

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


def test_documented_metrics_are_the_logged_metrics(changed_run, documented):
    changed_run.run("python", "pipelines/seeds.py", "iris_mlp")
    client = MlflowClient(f"sqlite:///{changed_run.root}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    logged = {name for run in client.search_runs(experiments) for name in run.data.metrics}
    assert logged == documented.keys()


def test_is_timed_matches_the_documented_units(documented):
    assert {name for name in documented if is_timed(name)} == {
        name for name, unit in documented.items() if unit in {"ms", "s", "1/s"}
    }
