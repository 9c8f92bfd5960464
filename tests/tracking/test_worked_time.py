"""Tests that the Duration of a run is the time its stages worked."""

import subprocess
import sys
import time

import pytest
from mlflow import MlflowClient

from penstock.core.paths import Project
from penstock.io.provenance import Provenance
from penstock.tracking.run import track_model
from penstock.tracking.uri import tracking_uri
from penstock.tracking.worked_time import WorkedTime

PROVENANCE = Provenance(model="iris_mlp", data="d.dir", parameters="p", code="c")
WAIT = 4.0


@pytest.fixture
def stage(tmp_path, config, monkeypatch):
    """Return a function that runs a stage for some seconds, and returns the status and Duration (in s) of the run."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project = Project(tmp_path)

    def stage(seconds):
        with track_model(project, config, PROVENANCE):
            time.sleep(seconds)
        return status_and_duration(project, config)

    return stage


def status_and_duration(project, config):
    client = MlflowClient(tracking_uri(project, config))
    (run,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    return run.info.status, (run.info.end_time - run.info.start_time) / 1000


def test_duration_excludes_the_wait_between_stages(stage):
    stage(1.0)
    time.sleep(WAIT)
    status, seconds = stage(0.5)
    assert status == "FINISHED"
    assert 1.5 <= seconds < WAIT


def test_duration_of_a_killed_stage_ends_at_its_last_event(stage, tmp_path, repository, config):
    script = f"""
import os, signal, time
from pathlib import Path
from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.io.provenance import Provenance
from penstock.tracking.run import track_model
config = load_config(Path({str(repository / "params.yaml")!r}))
with track_model(Project(Path({str(tmp_path)!r})), config, Provenance(**{vars(PROVENANCE)!r})) as run:
    time.sleep(1.0)
    run.log_metrics({{"train/loss": 1.0}}, step=1)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    time.sleep(WAIT)
    status, seconds = stage(0.5)
    assert status == "FINISHED"
    assert 1.5 <= seconds < WAIT


def test_adding_an_interval_twice_changes_nothing():
    worked = WorkedTime().add(0, 10).add(20, 30).add(0, 10)
    assert (str(worked), worked.total) == ("0-10 20-30", 20)
    assert WorkedTime.parse(str(worked)) == worked


@pytest.mark.parametrize(
    ("interval", "total"), [((5, 25), 30), ((10, 20), 30), ((12, 15), 23), ((40, 41), 21), ((0, 50), 50)]
)
def test_overlapping_intervals_are_merged(interval, total):
    assert WorkedTime(((0, 10), (20, 30))).add(*interval).total == total
