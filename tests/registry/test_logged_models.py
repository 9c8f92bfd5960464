"""Tests of the logged model that a registered version belongs to."""

import shutil

import mlflow.onnx
import pytest
from mlflow import MlflowClient

from penstock.io.files import read_json, sha256, write_json
from penstock.tracking.run import track_model

ON_THIS_DATA = {"dataset_name": "iris_test", "dataset_digest": "d.dir"}


@pytest.fixture
def client(here, empty_database):
    shutil.copy(empty_database, here.root)
    return MlflowClient(f"sqlite:///{here.root}/mlflow.db")


def models(client):
    """Return the logged models that were measured on the dataset."""
    experiment = client.get_experiment_by_name("iris")
    return client.search_logged_models([experiment.experiment_id], datasets=[ON_THIS_DATA])


def test_the_file_is_stored_with_the_logged_model_of_its_validation(here, client):
    digest = here.write(10)
    with track_model(here.project, here.config, here.provenance()) as run:
        run.log_validation({"test/accuracy": 0.5}, digest)
    (validated,) = models(client)
    assert validated.tags["mlflow.model.isExternal"] == "true"
    assert here.register()
    (stored,) = models(client)
    assert stored.model_id == validated.model_id
    assert "mlflow.model.isExternal" not in stored.tags
    assert [metric.value for metric in stored.metrics] == [0.5]
    version = client.get_model_version("iris_mlp", "1")
    assert version.run_id == stored.source_run_id
    assert [output.model_id for output in client.get_run(version.run_id).outputs.model_outputs] == [stored.model_id]
    mlflow.set_tracking_uri(client.tracking_uri)
    assert mlflow.onnx.load_model(f"models:/{stored.model_id}").graph.output


def test_an_int8_file_has_metrics_of_its_own_and_those_of_the_run_stay(here, client):
    here.write(10)
    here.serve_int8(20)
    files = here.project.model("iris_mlp", "models")
    int8 = {"sha256": sha256(files.int8), "accuracy": 0.02, "bytes": 7, "agreement": 0.9}
    write_json(files.validation_report, read_json(files.validation_report) | {"int8": int8})
    latency = {"sha256": int8["sha256"], "median_milliseconds": {"batch_1": 0.25}}
    write_json(files.latency_report, {"onnx": {"sha256": "0"}, "int8": latency})
    assert here.register()
    measured = {model.name: {one.key: one.value for one in model.metrics} for model in models(client)}
    expected = {"test/accuracy": 0.02, "model/onnx_bytes": 7, "int8/agreement": 0.9, "latency/batch_1_ms": 0.25}
    assert measured == {"iris_mlp": {"test/accuracy": 0.01}, "iris_mlp-int8": expected}
    trained = client.get_run(client.get_model_version("iris_mlp.int8", "1").run_id)
    assert trained.data.metrics == {"test/accuracy": 0.01}


def test_a_latency_of_another_int8_file_is_not_registered(here, client):
    here.write(10)
    here.serve_int8(20)
    files = here.project.model("iris_mlp", "models")
    int8 = {"sha256": sha256(files.int8), "accuracy": 0.02}
    write_json(files.validation_report, read_json(files.validation_report) | {"int8": int8})
    write_json(files.latency_report, {"int8": {"sha256": "0" * 64, "median_milliseconds": {"batch_1": 0.25}}})
    assert here.register()
    measured = {model.name: {one.key: one.value for one in model.metrics} for model in models(client)}
    assert measured["iris_mlp-int8"] == {"test/accuracy": 0.02}


def test_a_pulled_file_is_a_logged_model_with_the_scores_of_its_report(here, client):
    here.write(10)
    assert here.register()
    (stored,) = models(client)
    assert {metric.key: metric.value for metric in stored.metrics} == {"test/accuracy": 0.01}
