"""Tests of logged models: a stock client ranks the ONNX files that were measured on the same data."""

import re
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from tests.tracking.mlflow_server import MlflowServer
from tests.tracking.tracked_runs import DIGEST, TrackedRuns

SCORES = {"mnist_mlp": 0.97, "mnist_cnn_deep": 0.995, "mnist_cnn": 0.99}
ON_THIS_DATA = {"dataset_name": "mnist_test", "dataset_digest": DIGEST}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs = TrackedRuns(tmp_path_factory.mktemp("project"))
    for model, accuracy in SCORES.items():
        runs.train(model, "accuracy", accuracy)
        runs.validate(model, {"test/accuracy": accuracy})
    return runs


def leaderboard(runs, only_where="", data=ON_THIS_DATA):
    mlflow.set_tracking_uri(runs.uri)
    return mlflow.search_logged_models(
        experiment_ids=[runs.find_experiment().experiment_id],
        filter_string=only_where,
        datasets=[data],
        order_by=[{"field_name": "metrics.test/accuracy", "ascending": False, **data}],
        output_format="list",
    )


def test_models_are_ranked_by_their_score_on_the_same_data(runs):
    assert [model.name for model in leaderboard(runs)] == ["mnist_cnn_deep", "mnist_cnn", "mnist_mlp"]
    good = leaderboard(runs, "metrics.`test/accuracy` > 0.98 AND params.`network.kind` = 'mlp'")
    assert [model.name for model in good] == ["mnist_cnn_deep", "mnist_cnn"]
    assert not leaderboard(runs, data=ON_THIS_DATA | {"dataset_digest": "other.dir"})


def test_a_logged_model_is_ready_and_leads_to_its_run_its_file_and_its_data(runs):
    (model,) = leaderboard(runs, "name = 'mnist_cnn'")
    run = runs.client.get_run(model.source_run_id)
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert model.status == "READY"
    assert model.tags["onnx.sha256"] == run.data.tags["onnx.sha256"]
    assert model.tags["gate"] == "passed"
    assert model.params == run.data.params
    score = {metric.key: metric for metric in model.metrics}["test/accuracy"]
    assert (score.value, score.dataset_name, score.dataset_digest) == (0.99, "mnist_test", DIGEST)
    assert not {metric.key for metric in model.metrics} - run.data.metrics.keys()


def test_each_file_of_a_run_has_one_logged_model(tmp_path):
    runs = TrackedRuns(tmp_path)
    for sha256, accuracy in (("a", 0.5), ("a", 0.5), ("b", 0.9)):

        def write(run, sha256=sha256, accuracy=accuracy):
            run.log_validation({"test/accuracy": accuracy, "latency/batch_1_ms": accuracy}, sha256)

        run_id = runs.log("mnist_cnn", write, uploads=2)
    found = [(model.tags["onnx.sha256"], [metric.value for metric in model.metrics]) for model in leaderboard(runs)]
    assert found == [("b", [0.9, 0.9]), ("a", [0.5, 0.5])]
    written = runs.client.get_run(run_id).outputs
    outputs = written.model_outputs if written else []
    assert len(outputs) == len({output.model_id for output in outputs}) == 2
    history = MlflowClient(runs.uri).get_metric_history(run_id, "test/accuracy")
    assert [metric.value for metric in history] == [0.5, 0.9]


def test_the_example_of_the_documentation_ranks_the_models(runs, repository, monkeypatch, capsys):
    """It names the database of the working directory, which is the project."""
    page = (repository / "docs/experiments.md").read_text()
    (example,) = re.findall(r"```python\n(import mlflow\n.*?search_logged_models.*?)```", page, re.DOTALL)
    monkeypatch.chdir(Path(runs.uri.removeprefix("sqlite:///")).parent)
    exec(example, {})
    assert capsys.readouterr().out == "mnist_cnn_deep 0.995\nmnist_cnn 0.99\n"


@pytest.mark.integration
def test_models_are_ranked_by_a_server_too(tmp_path):
    server = MlflowServer(tmp_path)
    server.start()
    try:
        runs = TrackedRuns(tmp_path, uri=server.uri)
        for model, accuracy in SCORES.items():
            runs.validate(model, {"test/accuracy": accuracy})
        assert [model.name for model in leaderboard(runs)] == ["mnist_cnn_deep", "mnist_cnn", "mnist_mlp"]
    finally:
        server.kill()
