"""Tests of the descriptions of runs and experiments, and of the names of DVC experiments."""

from contextlib import closing

import pytest
from mlflow import MlflowClient

from penstock.core.paths import Project
from penstock.io.dataset_info import DatasetInfo
from penstock.io.provenance import Provenance
from penstock.tracking.description import RunDescription
from penstock.tracking.run import TrackedRun
from penstock.tracking.spool import EventLog, spool_dir
from penstock.tracking.uploader import Uploader

PROVENANCE = Provenance(model="iris_mlp", data="0123.dir", parameters="p", code="c")
INFO = DatasetInfo(
    dataset="iris", kind="table", shape=(4,), vocab_size=0, classes=("a", "b"), description="lengths in cm"
)
DESCRIPTION = RunDescription(
    model="iris_mlp",
    reference=("Adam, 100 epochs", "Keras reaches 0.967"),
    architecture="Linear(in_features=4, out_features=3)",
    parameters=1234,
    info=INFO,
    data="0123.dir",
    stage="train@iris_mlp",
    onnx="models/iris_mlp/model.onnx",
)


@pytest.fixture
def upload(tmp_path):
    """Return a function that uploads what `log` logs, and returns a client, the run and its experiment."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"

    def upload(log):
        project = Project(tmp_path)
        with closing(EventLog(spool_dir(project), uri)) as events:
            log(TrackedRun(events.add, project, "iris", PROVENANCE))
        Uploader(events.path, uri).upload_pending()
        client = MlflowClient(uri)
        (experiment,) = client.search_experiments(filter_string="name = 'iris'")
        (run,) = client.search_runs([experiment.experiment_id])
        return client, run, experiment

    return upload


def test_run_and_experiment_have_descriptions(upload):
    _, run, experiment = upload(lambda run: run.log_description(DESCRIPTION))
    description = run.data.tags["mlflow.note.content"]
    for part in (
        "- Adam, 100 epochs\n- Keras reaches 0.967\n",
        "1,234",
        "Linear(in_features=4",
        "0123.dir",
        "model.onnx",
        "dvc repro train@",
    ):
        assert part in description
    assert "lengths in cm" in experiment.tags["mlflow.note.content"]
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_existing_descriptions_are_not_overwritten(upload):
    client, run, experiment = upload(lambda run: None)
    client.set_tag(run.info.run_id, "mlflow.note.content", "mine")
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "ours")
    _, run, experiment = upload(lambda run: run.log_description(DESCRIPTION))
    assert (run.data.tags["mlflow.note.content"], experiment.tags["mlflow.note.content"]) == ("mine", "ours")


def test_the_note_of_a_restored_run_is_replaced_once_the_model_is_trained_here(upload):
    client, run, _ = upload(lambda run: None)
    for tag in ("penstock.restored", "mlflow.note.content"):
        client.set_tag(run.info.run_id, tag, "trained elsewhere")
    _, run, _ = upload(lambda run: run.log_description(DESCRIPTION))
    assert "- Adam, 100 epochs" in run.data.tags["mlflow.note.content"]
    assert "penstock.restored" not in run.data.tags


@pytest.mark.parametrize(
    ("environment", "commands"),
    [
        ({"mlflow.source.git.commit": "none"}, "dvc repro train@iris_mlp"),
        ({"mlflow.source.git.commit": "abc"}, "git checkout abc\ndvc repro train@iris_mlp"),
        (
            {"mlflow.source.git.commit": "abc+changes", "dvc.exp.name": "puffy-lion"},
            "git checkout abc\ndvc exp apply puffy-lion\ndvc repro train@iris_mlp",
        ),
    ],
)
def test_description_has_the_commands_that_reproduce_the_run(environment, commands):
    assert f"```sh\n{commands}\n```" in DESCRIPTION.run(environment)


def test_run_of_a_dvc_experiment_has_its_name(upload, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-lion")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc")
    _, run, _ = upload(lambda run: None)
    assert run.info.run_name == "iris_mlp (puffy-lion)"
    assert (run.data.tags["dvc.exp.name"], run.data.tags["dvc.exp.baseline_rev"]) == ("puffy-lion", "abc")
