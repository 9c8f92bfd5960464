"""DVC's experiments on a small git project, as its documentation says: run, show, diff, apply, queue."""

import csv
import hashlib
import io
import json
from contextlib import contextmanager

import pytest
from mlflow import MlflowClient

from tests.helpers.processes import wait_until
from tests.helpers.small_project import SmallProject

EPOCHS = "models.iris_mlp.training.epochs"
GATE = "models.iris_mlp.gates.accuracy"
STAGE = "validate@iris_mlp"
MAX_METRICS = 40


@pytest.fixture
def project(iris_run, tmp_path):
    return iris_run.copied_to(tmp_path / "project")


def table(copy):
    """The rows of `dvc exp show` by the name of the experiment; the baseline is `master` or `main`."""
    text = copy.run("dvc", "exp", "show", "--csv", "--hide-workspace").stdout
    return {row["Experiment"] or row["rev"]: row for row in csv.DictReader(io.StringIO(text))}


def test_an_experiment_changes_one_key_is_shown_compared_and_applied(project):
    before = project.read_params()["models"]["iris_mlp"]["training"]["epochs"]
    project.run("dvc", "exp", "run", "--set-param", f"{EPOCHS}=3", "--name", "longer", STAGE)
    changed = project.run("git", "diff", "--stat", "params.yaml").stdout
    assert "2 +-" in changed

    row = table(project)["longer"]
    assert row[EPOCHS] == "3"
    score = json.loads((project.root / "reports/iris_mlp/test.json").read_text())["accuracy"]
    assert float(row["accuracy"]) == pytest.approx(score)  # DVC leaves out the path of a name that is unique

    diff = json.loads(project.run("dvc", "exp", "diff", "HEAD", "longer", "--json").stdout)
    assert diff["params"]["params.yaml"] == {EPOCHS: {"old": before, "new": 3, "diff": 3 - before}}
    assert "reports/iris_mlp/val.json" in diff["metrics"]

    project.run("git", "checkout", "--quiet", "--", ".")
    project.run("dvc", "exp", "apply", "longer")
    assert project.read_params()["models"]["iris_mlp"]["training"]["epochs"] == 3


def test_an_experiment_is_applied_although_a_file_is_not_in_the_cache(project):
    project.run("dvc", "exp", "run", "--set-param", f"{GATE}=0.5", "--name", "stricter", "preprocess@iris")
    project.run("git", "checkout", "--quiet", "--", ".")
    (weights,) = project.root.glob("models/iris_mlp/weights.safetensors")
    md5 = hashlib.md5(weights.read_bytes(), usedforsecurity=False).hexdigest()
    (project.root / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}").unlink()
    weights.unlink()
    assert project.run("dvc", "exp", "apply", "stricter", check=False).returncode != 0
    assert project.read_params()["models"]["iris_mlp"]["gates"]["accuracy"] == 0.5
    project.run("dvc", "checkout", "--allow-missing")


def test_an_experiment_with_a_bad_score_is_recorded_and_not_registered(project):
    project.run("dvc", "exp", "run", "--set-param", f"{GATE}=1.0", "-S", f"{EPOCHS}=1", "--name", "bad", STAGE)
    assert "bad" in table(project)
    done = project.run("dvc", "repro", "register@iris_mlp", check=False)
    assert done.returncode != 0
    assert "models.iris_mlp.gates.accuracy: " in done.stdout
    assert ", must be at least 1" in done.stdout


def champion(project):
    """Return the version of the alias and its run."""
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    version = client.get_model_version_by_alias("iris_mlp", "champion")
    assert version.run_id
    return version, client.get_run(version.run_id)


def test_champion_is_no_file_that_dvc_restores_from_its_run_cache(project):
    epochs = project.read_params()["models"]["iris_mlp"]["training"]["epochs"]
    project.run("penstock", "register")
    project.run("dvc", "exp", "run", "--set-param", f"{EPOCHS}=3", "register@iris_mlp")
    assert champion(project)[0].version == 1, "an experiment moves no alias"
    assert "version 2 registered; champion " in project.run("penstock", "register").stdout
    project.run("penstock", "promote", "iris_mlp", "--version", "2", "--reason", "three epochs")
    assert champion(project)[1].data.params["training.epochs"] == "3"
    three = champion(project)[0].tags["onnx.sha256"]
    project.edit_params(models__iris_mlp__training__epochs=epochs)
    assert "Stage 'export@iris_mlp' is cached" in project.run("dvc", "repro").stdout
    assert "is version 1, no new one" in project.run("penstock", "register").stdout
    assert champion(project)[0].tags["onnx.sha256"] == three
    assert "champion moved from version 2 to 1" in project.run("penstock", "rollback", "iris_mlp").stdout
    validation = json.loads((project.root / "models/iris_mlp/validation.json").read_text())
    assert champion(project)[0].tags["onnx.sha256"] == validation["sha256"]


def test_models_that_were_pulled_into_a_new_clone_are_registered(project, tmp_path):
    project.run("dvc", "remote", "add", "--default", "local", str(tmp_path / "remote"))
    project.run("dvc", "push")
    project.run("git", "commit", "--quiet", "--all", "--message", "remote")
    project.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = SmallProject(tmp_path / "clone")
    clone.run("dvc", "pull")
    clone.run("penstock", "register")
    version, run = champion(clone)
    assert version.version == 1
    assert run.info.run_name == "iris_mlp (restored)"
    measured = json.loads((clone.root / "reports/iris_mlp/test.json").read_text())
    assert run.data.metrics["test/accuracy"] == measured["accuracy"]


def run_of(project, name):
    """Return a client and the run of a DVC experiment."""
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(experiments, f"tags.`dvc.exp.name` = '{name}'")
    return client, run


def test_the_run_in_mlflow_has_the_name_of_the_experiment(project):
    revision = project.run("git", "rev-parse", "HEAD").stdout.strip()
    project.run("dvc", "exp", "run", "--set-param", f"{EPOCHS}=4", "--name", "named", STAGE)
    _, run = run_of(project, "named")
    assert run.info.run_name == "iris_mlp (named)"
    assert run.data.tags["dvc.exp.baseline_rev"] == revision


@contextmanager
def other_seed(project):
    """Change the seed in the training code, which is not a setting, and check the code out again."""
    source = project.root / "src/penstock/training/fit.py"
    text = source.read_text()
    source.write_text(text.replace("seed_everything(training.seed,", "seed_everything(training.seed + 1,"))
    yield
    source.write_text(text)


@pytest.mark.slow
def test_queued_experiments_run_in_copies(project):
    for epochs in (5, 6):
        project.run("dvc", "exp", "run", "--queue", "-S", f"{EPOCHS}={epochs}", "--name", f"queued-{epochs}", STAGE)
    with other_seed(project):
        project.run("dvc", "exp", "run", "--queue", "-S", f"{EPOCHS}=5", "--name", "other-code", STAGE)
    with (project.root.parent / "queue.log").open("w") as log:  # a worker keeps a pipe of its parent open
        project.run("sh", "-c", f"dvc queue start > {log.name} 2>&1")
    wait_until(
        lambda: project.run("dvc", "queue", "status").stdout.count("Success") == 3, seconds=900
    )  # a worker looks for its next task every few seconds
    rows = table(project)
    assert [rows[f"queued-{epochs}"][EPOCHS] for epochs in (5, 6)] == ["5", "6"]
    assert rows["queued-5"]["loss"] != rows["other-code"]["loss"]
    for epochs in (5, 6):  # DVC has deleted the copies
        client, run = run_of(project, f"queued-{epochs}")
        assert run.info.status == "FINISHED"
        assert "learning_curves.png" in {file.path for file in client.list_artifacts(run.info.run_id)}


@pytest.mark.slow
def test_metrics_are_numbers_and_few_enough_to_read(small_run, config):
    """Every model has two metrics, or three; the tuned ones, which the small run leaves out, have two."""
    shown = json.loads(small_run.run("sh", "-c", "dvc metrics show --json 2> /dev/null").stdout)
    files = [file for file in shown[""]["data"].values() if "error" not in file]
    values = [value for file in files for value in file["data"].values()]
    assert len(files) == 2 * len(config.models)
    assert all(isinstance(value, int | float) for value in values)
    assert len(values) + 2 * len(config.tuned) <= MAX_METRICS
