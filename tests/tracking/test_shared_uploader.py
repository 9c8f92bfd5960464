"""Test the process that uploads the events of all stages of `penstock repro`."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest
from mlflow import MlflowClient

from penstock.core.paths import Project
from penstock.io.provenance import Provenance
from penstock.tracking.run import track_model
from penstock.tracking.shared_uploader import LABEL, shared_uploader
from penstock.tracking.spool import spool_dir
from penstock.tracking.uri import URI, label_of, tracking_uri
from tests.helpers.processes import wait_until

pytestmark = pytest.mark.integration
PROVENANCE = Provenance(model="iris_mlp", data="0123456789abcdef0123456789abcdef.dir", parameters="p", code="c")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv(URI, raising=False)
    return Project(tmp_path)


def losses(project, config):
    """Return the history of each run by its status."""
    client = MlflowClient(tracking_uri(project, config))
    found = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    return {
        run.info.status: [one.value for one in client.get_metric_history(run.info.run_id, "train/loss")]
        for run in found
    }


def uploaders():
    """The modules of this package that child processes run."""
    commands = (child.cmdline() for child in psutil.Process().children())
    return [argument for command in commands for argument in command if argument.startswith("penstock.tracking.")]


def test_one_process_uploads_the_events_of_several_stages(project, config):
    with shared_uploader(project, config):
        for step in (1, 2):
            with track_model(project, config, PROVENANCE) as run:
                run.log_metrics({"train/loss": 1 / step}, step=step)
                assert uploaders() == ["penstock.tracking.shared_uploader"]
    assert LABEL not in os.environ
    assert losses(project, config) == {"FINISHED": [1.0, 0.5]}
    assert not list(spool_dir(project).glob("*.jsonl"))


def test_metrics_arrive_while_a_stage_runs(project, config):
    with shared_uploader(project, config), track_model(project, config, PROVENANCE) as run:
        run.log_metrics({"train/loss": 1.0}, step=1)
        wait_until(lambda: (project.root / "mlflow.db").is_file() and losses(project, config) == {"RUNNING": [1.0]})


def test_after_a_signal_it_waits_for_the_last_events(project, config, monkeypatch):
    uri = tracking_uri(project, config)
    command = [sys.executable, "-m", "penstock.tracking.shared_uploader", str(spool_dir(project))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | {URI: uri}) as process:
        monkeypatch.setenv(LABEL, label_of(uri))
        with track_model(project, config, PROVENANCE) as run:
            run.log_metrics({"train/loss": 1.0}, step=1)
            wait_until(lambda: (project.root / "mlflow.db").is_file() and losses(project, config))
            process.send_signal(signal.SIGTERM)
            run.log_metrics({"train/loss": 0.5}, step=2)
        assert process.wait(timeout=60) == 0
    assert losses(project, config) == {"FINISHED": [1.0, 0.5]}


def test_unreachable_server_costs_one_warning_and_no_event(project, config, monkeypatch, capfd):
    monkeypatch.setenv(URI, "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with shared_uploader(project, config):
        for model in ("iris_mlp", "mnist_cnn"):
            with track_model(project, config, replace(PROVENANCE, model=model)):
                pass
    assert capfd.readouterr().err.count("continuing without it") == 1
    assert len(list(spool_dir(project).glob("*.jsonl"))) == 2
