"""Tests of tracked runs: one run per provenance, each metric once, and no failure without a server."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient

from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.io.dataset_info import DatasetInfo
from penstock.io.provenance import Provenance, training_relevant_settings
from penstock.io.weights import save_weights
from penstock.reporting.figures import png
from penstock.tracking.client import connect
from penstock.tracking.queries import training_seconds
from penstock.tracking.run import track_model
from penstock.tracking.spool import spool_dir
from penstock.tracking.tags import WORKED
from penstock.tracking.uri import tracking_uri
from penstock.tracking.worked_time import WorkedTime
from tests.conftest import REPOSITORY
from tests.helpers.processes import wait_until
from tests.tracking.mlflow_server import MlflowServer

PROVENANCE = Provenance(model="iris_mlp", data="0123456789abcdef0123456789abcdef.dir", parameters="p", code="c")
INFO = DatasetInfo(dataset="iris", kind="table", shape=(4,), vocab_size=0, classes=("a", "b"), description="numbers")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Project(tmp_path)


@pytest.fixture
def runs(project, config):
    """Return a function that returns a client and all runs."""

    def runs():
        client = MlflowClient(tracking_uri(project, config))
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return client, client.search_runs(experiments)

    return runs


@pytest.fixture
def mlflow_server(tmp_path_factory):
    server = MlflowServer(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


def with_uri(config: Config, uri: str) -> Config:
    return config.model_copy(update={"tracking": config.tracking.model_copy(update={"uri": uri})})


def test_run_has_parameters_metrics_tags_dataset_and_artifacts(project, config, runs):
    with track_model(project, config, PROVENANCE) as run:
        run.log_parameters(training_relevant_settings(config, "iris_mlp"))
        run.log_dataset(INFO, PROVENANCE, "data/processed/iris")
        run.log_metrics({"val/loss": 0.5, "learning_rate": 0.1}, step=1)
        run.log_file("learning_curves.png", png(Figure()))
    client, (found,) = runs()
    assert found.info.run_name == "iris_mlp"
    assert found.info.status == "FINISHED"
    assert found.data.params["training.optimizer.learning_rate"] == "0.01"
    assert found.data.params["network.hidden_sizes"] == "[10]"
    assert found.data.params["dataset.split.seed"] == "42"
    assert found.data.metrics == {"val/loss": 0.5, "learning_rate": 0.1}
    assert found.data.tags["dvc.data"] == PROVENANCE.data
    assert found.data.tags["mlflow.source.git.commit"] == "none"
    assert found.inputs.dataset_inputs[0].dataset.digest == PROVENANCE.data
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["learning_curves.png"]


def test_concurrent_stages_create_the_database_once(repository, project, config, runs):
    """Start two processes without a database."""
    script = f"""
import sys
from pathlib import Path
from penstock.config.loading import load_config
from penstock.io.provenance import Provenance
from penstock.core.paths import Project
from penstock.reporting.figures import png
from penstock.tracking.run import track_model
config = load_config(Path({str(repository / "params.yaml")!r}))
print("ready", flush=True)
sys.stdin.readline()
with track_model(Project(Path({str(project.root)!r})), config, Provenance(sys.argv[1], "d", "p", "c")):
    pass
"""
    names = ("mnist_cnn", "mnist_lstm")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, name],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout
        process.stdout.readline()
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    warnings = [process.communicate()[1] for process in processes]
    assert not any("MLflow" in text for text in warnings), warnings
    _, found = runs()
    assert {run.info.run_name for run in found} == set(names)


def test_restart_continues_a_killed_run_with_each_step_once(repository, project, config, runs, capfd):
    """Kill a process in the middle of an epoch."""
    script = f"""
import os, signal
from pathlib import Path
from penstock.config.loading import load_config
from penstock.io.provenance import Provenance
from penstock.core.paths import Project
from penstock.reporting.figures import png
from penstock.tracking.run import track_model
config = load_config(Path({str(project.root / "params.yaml")!r}))
with track_model(Project(Path({str(project.root)!r})), config, Provenance(**{vars(PROVENANCE)!r})) as run:
    for step in (1, 2):
        run.log_metrics({{"train/loss": 1 / step}}, step=step)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    (project.root / "params.yaml").write_text((repository / "params.yaml").read_text())
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -9
    # At once: the uploader of the killed process may still be running.
    with track_model(project, config, PROVENANCE) as run:
        for step in (1, 2, 3):
            run.log_metrics({"train/loss": 1 / step}, step=step)
    client, (found,) = runs()
    history = client.get_metric_history(found.info.run_id, "train/loss")
    assert [metric.step for metric in history] == [1, 2, 3]
    assert found.info.status == "FINISHED"
    assert capfd.readouterr().err == ""


def test_events_survive_a_dead_uploader(project, config, runs, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/true")
        with track_model(project, config, PROVENANCE) as run:
            time.sleep(0.2)
            run.log_metrics({"train/loss": 1.0}, step=1)
    with track_model(project, config, replace(PROVENANCE, model="mnist_cnn")):
        pass
    logged = {run.info.run_name: (run.info.status, run.data.metrics) for run in runs()[1]}
    assert logged == {"iris_mlp": ("FINISHED", {"train/loss": 1.0}), "mnist_cnn": ("FINISHED", {})}


def test_no_stage_imports_mlflow():
    script = """
import sys, train, validate, seeds
print({"mlflow"} & {*sys.modules})
"""
    scripts = REPOSITORY / "pipelines"
    done = subprocess.run([sys.executable, "-c", script], cwd=scripts, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_failed_stage_ends_its_run_as_failed(project, config, runs):
    with pytest.raises(RuntimeError), track_model(project, config, PROVENANCE):
        raise RuntimeError
    assert runs()[1][0].info.status == "FAILED"


def test_training_seconds_are_found_by_the_provenance_in_the_weights(project, config):
    with track_model(project, config, PROVENANCE) as run:
        run.log_metrics({"time/train_seconds": 12.5})
    assert training_seconds(project, config) == {}
    save_weights(project.model("iris_mlp", "models").weights, {}, PROVENANCE, {})
    assert training_seconds(project, config) == {"iris_mlp": 12.5}
    save_weights(project.model("iris_mlp", "models").weights, {}, replace(PROVENANCE, code="other"), {})
    assert training_seconds(project, config) == {}


def test_unreachable_server_gives_one_warning_and_the_stage_continues(project, config, capfd, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = with_uri(config, "http://127.0.0.1:9")
    with track_model(project, away, PROVENANCE) as run:
        run.log_metrics({"train/loss": 1.0}, step=1)
        run.log_file("learning_curves.png", png(Figure()))
    warnings = capfd.readouterr().err
    assert warnings.count("warning:") == 1
    assert "cannot use MLflow at http://127.0.0.1:9; continuing without it" in warnings
    save_weights(project.model("iris_mlp", "models").weights, {}, PROVENANCE, {})
    assert training_seconds(project, away) == {}


def test_unwritable_spool_gives_one_warning_and_the_stage_continues(project, config, capsys):
    project.scratch.write_text("a file where a folder should be")
    with track_model(project, config, PROVENANCE) as run:
        run.log_metrics({"train/loss": 1.0}, step=1)
    assert capsys.readouterr().err.count("warning: cannot write to .penstock/spool") == 1


def test_next_stage_uploads_pending_events(project, config, runs, capfd):
    broken = project.root / "mlflow.db"
    broken.write_bytes(b"not a database, " * 1000)
    with track_model(project, config, PROVENANCE) as run:
        run.log_metrics({"train/loss": 1.0}, step=1)
    assert capfd.readouterr().err.count("warning:") == 1
    broken.unlink()
    with track_model(project, config, replace(PROVENANCE, model="mnist_cnn")):
        pass
    _, found = runs()
    logged = {run.info.run_name: (run.info.status, run.data.metrics) for run in found}
    assert logged == {"iris_mlp": ("FINISHED", {"train/loss": 1.0}), "mnist_cnn": ("FINISHED", {})}
    assert not list(spool_dir(project).glob("*.jsonl"))


def test_restarted_server_receives_all_events(project, config, capfd, mlflow_server):
    """Kill the server in the middle of a training."""
    client = MlflowClient(mlflow_server.uri)

    def steps():
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        found = client.search_runs(experiments)
        return [metric.step for run in found for metric in client.get_metric_history(run.info.run_id, "train/loss")]

    mlflow_server.start()
    with track_model(project, with_uri(config, mlflow_server.uri), PROVENANCE) as run:
        run.log_metrics({"train/loss": 1.0}, step=1)
        wait_until(lambda: steps() == [1])
        mlflow_server.kill()
        run.log_metrics({"train/loss": 0.5}, step=2)
        wait_until(lambda: "continuing without it" in capfd.readouterr().err)
        mlflow_server.start()
        run.log_metrics({"train/loss": 0.25}, step=3)
    assert steps() == [1, 2, 3]
    (found,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert found.info.end_time - found.info.start_time == WorkedTime.parse(found.data.tags[WORKED]).total > 0
    assert not list(spool_dir(project).glob("*.jsonl"))


def test_locked_database_receives_all_events_after_its_release(project, config, runs, capfd):
    with track_model(project, config, PROVENANCE) as run:
        run.log_metrics({"train/loss": 1.0}, step=1)
    with closing(sqlite3.connect(project.root / "mlflow.db", isolation_level=None)) as another:
        another.execute("BEGIN EXCLUSIVE")
        with track_model(project, config, PROVENANCE) as run:
            run.log_metrics({"train/loss": 0.5}, step=2)
    assert capfd.readouterr().err.count("continuing without it") == 1
    with track_model(project, config, PROVENANCE):
        pass
    client, (found,) = runs()
    assert [metric.step for metric in client.get_metric_history(found.info.run_id, "train/loss")] == [1, 2]
    assert found.info.status == "FINISHED"


def test_database_path_is_absolute_and_the_environment_has_precedence(project, config, monkeypatch):
    assert tracking_uri(project, config) == f"sqlite:///{project.root}/mlflow.db"
    assert tracking_uri(project, with_uri(config, "http://host:5000")) == "http://host:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other:5000")
    assert tracking_uri(project, config) == "http://other:5000"


def test_process_killed_while_it_creates_the_database_leaves_no_incomplete_one(project, config):
    uri = tracking_uri(project, config)
    command = [sys.executable, "-c", f"from penstock.tracking.client import connect; connect({uri!r})"]
    with subprocess.Popen(command) as process:
        wait_until((project.root / "mlflow.db.incomplete").is_file)
        process.kill()
    assert not (project.root / "mlflow.db").exists()
    assert connect(uri).search_experiments()
