"""One run per computation, each figure once, and a server that is not there never stops training."""

import subprocess
import sys
from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient

from penstock.config import Config
from penstock.lineage import Lineage, shaping_settings
from penstock.manifest import Manifest
from penstock.project import Project
from penstock.tracking import track_model, tracking_uri, training_seconds
from penstock.weights import save_weights

LINEAGE = Lineage(model="iris_mlp", data="0123456789abcdef0123456789abcdef.dir", parameters="p", code="c")
MANIFEST = Manifest(dataset="iris", kind="table", shape=(4,), vocabulary=0, classes=("a", "b"), description="numbers")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Project(tmp_path)


@pytest.fixture
def runs(project, config):
    """All runs of the experiment, as MLflow has them."""

    def runs():
        client = MlflowClient(tracking_uri(project, config))
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return client, client.search_runs(experiments)

    return runs


def elsewhere(config: Config, uri: str) -> Config:
    return config.model_copy(update={"tracking": config.tracking.model_copy(update={"uri": uri})})


def test_a_run_has_parameters_metrics_tags_dataset_and_figures(project, config, runs):
    with track_model(project, config, LINEAGE) as run:
        run.log_parameters(shaping_settings(config, "iris_mlp"))
        run.log_dataset(MANIFEST, LINEAGE, "data/processed/iris")
        run.log_metrics({"validation_loss": 0.5, "learning_rate": 0.1}, step=1)
        run.log_figure("learning_curves.png", Figure())
    client, (found,) = runs()
    assert found.info.run_name == "iris_mlp"
    assert found.info.status == "FINISHED"
    assert found.data.params["training.optimizer.learning_rate"] == "0.01"
    assert found.data.params["network.hidden"] == "[10]"
    assert found.data.params["dataset.split.seed"] == "42"
    assert found.data.metrics == {"validation_loss": 0.5, "learning_rate": 0.1}
    assert found.data.tags["dvc.data"] == LINEAGE.data
    assert found.data.tags["mlflow.source.git.commit"] == "none"
    assert found.inputs.dataset_inputs[0].dataset.digest == LINEAGE.data
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["learning_curves.png"]


def test_stages_that_begin_at_once_make_the_database_once(repository, project, config, runs):
    """Two real processes, on a database that neither finds."""
    script = f"""
import sys
from pathlib import Path
from penstock.config import load_config
from penstock.lineage import Lineage
from penstock.project import Project
from penstock.tracking import track_model
config = load_config(Path({str(repository / "params.yaml")!r}))
print("ready", flush=True)
sys.stdin.readline()
with track_model(Project(Path({str(project.root)!r})), config, Lineage(sys.argv[1], "d", "p", "c")):
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
    said = [process.communicate()[1] for process in processes]
    assert not any("MLflow" in text for text in said), said
    _, found = runs()
    assert {run.info.run_name for run in found} == set(names)


def test_a_killed_run_comes_back_as_the_same_run_with_each_step_once(repository, project, config, runs):
    """A real second process that dies in the middle of an epoch, without a chance to say so."""
    script = f"""
import os, signal
from pathlib import Path
from penstock.config import load_config
from penstock.lineage import Lineage
from penstock.project import Project
from penstock.tracking import track_model
config = load_config(Path({str(project.root / "params.yaml")!r}))
with track_model(Project(Path({str(project.root)!r})), config, Lineage(**{vars(LINEAGE)!r})) as run:
    for step in (1, 2):
        run.log_metrics({{"train_loss": 1 / step}}, step=step)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    (project.root / "params.yaml").write_text((repository / "params.yaml").read_text())
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -9
    with track_model(project, config, LINEAGE) as run:
        for step in (1, 2, 3):
            run.log_metrics({"train_loss": 1 / step}, step=step)
    client, (found,) = runs()
    history = client.get_metric_history(found.info.run_id, "train_loss")
    assert [metric.step for metric in history] == [1, 2, 3]
    assert found.info.status == "FINISHED"


@pytest.mark.parametrize("part", ["model", "data", "parameters", "code"])
def test_another_model_data_parameters_or_code_begin_another_run(project, config, runs, part):
    other = replace(LINEAGE, **{part: "mnist_cnn"})
    for lineage in (LINEAGE, other, LINEAGE):
        with track_model(project, config, lineage):
            pass
    assert {run.data.tags["penstock.key"] for run in runs()[1]} == {LINEAGE.key, other.key}
    assert len(runs()[1]) == 2


def test_another_file_is_proven_and_timed_anew_in_the_same_run(project, config, runs):
    for sha256, accuracy, milliseconds in (("a", 0.5, 2.0), ("a", 0.5, 3.0), ("b", 0.9, 4.0)):
        with track_model(project, config, LINEAGE) as run:
            metrics = {"test_accuracy": accuracy, "latency_ms_batch_1": milliseconds}
            run.log_proof(metrics, {"gate": "passed"}, sha256)
    client, (found,) = runs()
    assert found.data.metrics == {"test_accuracy": 0.9, "latency_ms_batch_1": 4.0}
    assert found.data.tags["onnx.sha256"] == "b"
    history = client.get_metric_history(found.info.run_id, "latency_ms_batch_1")
    assert [metric.value for metric in history] == [2.0, 4.0]


def test_a_fold_is_a_child_run_once(project, config, runs):
    for _ in range(2):
        with track_model(project, config, LINEAGE) as run:
            run.log_repeat("fold 1.1", {"validation_accuracy": 0.9})
            run.log_repeat("fold 1.2", {"validation_accuracy": 0.8})
    _, found = runs()
    (parent,) = [one for one in found if one.info.run_name == "iris_mlp"]
    children = {one.info.run_name: one for one in found if one is not parent}
    assert children.keys() == {"fold 1.1", "fold 1.2"}
    assert all(child.data.tags["mlflow.parentRunId"] == parent.info.run_id for child in children.values())
    assert children["fold 1.2"].data.metrics == {"validation_accuracy": 0.8}
    assert children["fold 1.2"].info.status == "FINISHED"


def test_a_fold_whose_child_run_was_begun_and_never_filled_is_filled_later(project, config, runs, monkeypatch):
    interrupted = pytest.raises(KeyboardInterrupt)
    with interrupted, track_model(project, config, LINEAGE) as run, monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", killed)
        run.log_repeat("fold 1.1", {"validation_accuracy": 0.9})
    with track_model(project, config, LINEAGE) as run:
        run.log_repeat("fold 1.1", {"validation_accuracy": 0.9})
    _, found = runs()
    (child,) = [one for one in found if one.info.run_name == "fold 1.1"]
    assert child.data.metrics == {"validation_accuracy": 0.9}


def killed(*arguments, **keywords):
    raise KeyboardInterrupt


def test_a_picture_is_kept_under_its_name(project, config, runs):
    with track_model(project, config, LINEAGE) as run:
        run.log_file("samples.gif", b"GIF89a")
    client, (found,) = runs()
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["samples.gif"]


def test_a_run_that_fails_says_so(project, config, runs):
    with pytest.raises(RuntimeError), track_model(project, config, LINEAGE):
        raise RuntimeError
    assert runs()[1][0].info.status == "FAILED"


def test_the_seconds_of_a_run_are_found_by_the_lineage_in_the_weights(project, config):
    with track_model(project, config, LINEAGE) as run:
        run.log_metrics({"seconds": 12.5})
    assert training_seconds(project, config) == {}
    save_weights(project.model("iris_mlp", "models").weights, {}, LINEAGE, {})
    assert training_seconds(project, config) == {"iris_mlp": 12.5}
    save_weights(project.model("iris_mlp", "models").weights, {}, replace(LINEAGE, code="other"), {})
    assert training_seconds(project, config) == {}


def test_metrics_are_of_the_vocabulary(project, config):
    with (
        pytest.raises(AssertionError, match="not in the vocabulary"),
        track_model(project, config, LINEAGE) as run,
    ):
        run.log_metrics({"acc": 1.0})


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "http://[bad", "postgresql://host/runs", "nonsense://x"])
def test_a_server_that_cannot_be_used_is_one_warning_and_work_goes_on(project, config, capsys, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = elsewhere(config, uri)
    with track_model(project, away, LINEAGE) as run:
        run.log_metrics({"train_loss": 1.0}, step=1)
        run.log_figure("learning_curves.png", Figure())
    warnings = capsys.readouterr().err
    assert warnings.count("warning:") == 1
    assert f"{uri} cannot be used; going on without it" in warnings
    save_weights(project.model("iris_mlp", "models").weights, {}, LINEAGE, {})
    assert training_seconds(project, away) == {}


def test_a_database_that_is_none_is_one_warning_and_work_goes_on(project, config, capsys):
    (project.root / "mlflow.db").write_bytes(b"not a database, " * 1000)
    with track_model(project, config, LINEAGE) as run:
        run.log_metrics({"train_loss": 1.0}, step=1)
    assert capsys.readouterr().err.count("warning:") == 1


def test_an_error_without_words_is_named_by_its_kind(project, config, capsys, monkeypatch):
    def lost(*_arguments, **_keywords):
        raise ConnectionResetError

    monkeypatch.setattr(MlflowClient, "log_batch", lost)
    with track_model(project, config, LINEAGE) as run:
        run.log_metrics({"train_loss": 1.0}, step=1)
    assert "(ConnectionResetError)" in capsys.readouterr().err


def test_the_database_is_absolute_and_the_environment_goes_first(project, config, monkeypatch):
    assert tracking_uri(project, config) == f"sqlite:///{project.root}/mlflow.db"
    assert tracking_uri(project, elsewhere(config, "http://host:5000")) == "http://host:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other:5000")
    assert tracking_uri(project, config) == "http://other:5000"
