"""Runs and registered versions as models to compare. MLflow is real, in a database file."""

import shutil

import numpy as np
import pytest
from mlflow import MlflowClient

from penstock.core.errors import ComparisonError
from penstock.export.onnx_file import read_provenance
from penstock.io.files import read_json, sha256, write_json
from penstock.io.provenance import Provenance
from penstock.registry.registration import VersionContent, register_version
from tests.helpers.compared_models import GOOD, POOR

FILE = "models/iris_mlp/model.onnx"


@pytest.fixture
def client(here, empty_database):
    shutil.copy(empty_database, here.root)
    return MlflowClient(f"sqlite:///{here.root}/mlflow.db")


def start_run(client, here, path, **tags):
    """Create the run of a file's training, as the stages do; return its ID."""
    experiment = client.get_experiment_by_name("iris")
    experiment_id = (
        experiment.experiment_id
        if experiment
        else client.create_experiment("iris", artifact_location=(here.root / "mlruns").as_uri())
    )
    known = {"model": "iris_mlp", "onnx.sha256": sha256(path)}
    run_id = client.create_run(experiment_id, tags=known | tags).info.run_id
    client.log_param(run_id, "training.epochs", "7")
    client.log_metric(run_id, "time/train_seconds", 1.5)
    return run_id


def register(client, run_id, path):
    """Log and register a file; return its version."""
    content = VersionContent(
        name="iris_mlp",
        path=path,
        sha256=sha256(path),
        example=np.ones((2, 4), np.float32),
        provenance=Provenance("iris_mlp", "d", "p", "c"),
    )
    return register_version(client, run_id, content).version


def test_a_run_whose_file_is_here_needs_no_download(here, client, locate):
    run_id = start_run(client, here, here.root / FILE)
    ((source, digest, record),) = locate(run_id)
    assert (source, digest) == (FILE, sha256(here.root / FILE))
    assert record.metrics["time/train_seconds"] == 1.5


def test_the_file_of_an_experiments_run_is_that_of_the_experiment(here, client, locate):
    """`bold` has the good classifier; a run of another file with this name has none."""
    path = here.write(GOOD, "elsewhere.onnx")
    ((_, digest, _),) = locate("iris_mlp@bold")
    tags = {"dvc.exp.name": "bold"}
    ((source, found, _),) = locate(start_run(client, here, path, **tags, **{"onnx.sha256": digest}))
    assert source.startswith(f"{FILE} at ")
    assert found == digest
    other = start_run(client, here, path, **tags, **{"onnx.sha256": "0" * 64})
    with pytest.raises(ComparisonError, match="MLflow does not have the ONNX file of this run"):
        locate(other)


def test_a_run_and_a_version_are_downloaded(here, client, locate):
    path = here.write(GOOD, "elsewhere.onnx", parameters="of seven epochs")
    digest = sha256(path)
    run_id = start_run(client, here, path)
    register(client, run_id, path)
    client.set_registered_model_alias("iris_mlp", "champion", "1")
    path.unlink()
    for text in (run_id, "models:/iris_mlp@champion", "models:/iris_mlp/1"):
        ((source, found, record),) = locate(text)
        assert "MLflow" in source
        assert found == digest
        assert record.parameters == {"training.epochs": "7"}, "params.yaml has others"


def test_the_run_of_a_file_is_found_by_its_key(here, client, locate):
    path = here.write(GOOD, "other.onnx", parameters="of seven epochs")
    ((_, _, record),) = locate("other.onnx")
    assert record.parameters is None
    start_run(client, here, path, **{"penstock.key": read_provenance(path).key})
    ((_, _, record),) = locate("other.onnx")
    assert record.parameters == {"training.epochs": "7"}
    assert record.metrics == {"time/train_seconds": 1.5}


def test_an_int8_file_has_its_own_latency_and_none_of_the_exact_metrics(here, client, locate):
    here.write(POOR, "models/iris_mlp/model.int8.onnx", precision="int8")
    report = here.project.model("iris_mlp", "models").validation_report
    int8 = {"sha256": sha256(here.root / "models/iris_mlp/model.int8.onnx"), "accuracy": 0.5}
    write_json(report, read_json(report) | {"int8": int8})
    provenance = read_provenance(here.root / FILE)
    run_id = start_run(client, here, here.root / FILE, **{"penstock.key": provenance.key})
    client.log_metric(run_id, "latency/batch_1_ms", 9.0)
    client.log_metric(run_id, "int8/latency_batch_1_ms", 3.0)
    ((_, _, exact), (_, _, small)) = locate("iris_mlp", "iris_mlp.int8")
    assert exact.metrics["latency/batch_1_ms"] == 9
    assert small.metrics == {"time/train_seconds": 1.5, "latency/batch_1_ms": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models:/iris_mlp@nobody", r"^models:/iris_mlp@nobody: MLflow does not have it, or cannot be used: "),
        ("models:/iris_mlp", r"^models:/iris_mlp: write models:/NAME@ALIAS or models:/NAME/VERSION$"),
        ("f" * 32, r"^f{32}: no model, ONNX file, MLflow run"),
    ],
)
def test_what_mlflow_does_not_have_is_one_clear_line(client, locate, text, message):
    with pytest.raises(Exception, match=message):
        locate(text)


def test_a_run_without_a_file_says_so(here, client, locate):
    path = here.write(GOOD, "elsewhere.onnx")
    run_id = start_run(client, here, path)
    path.unlink()
    with pytest.raises(ComparisonError, match=r"MLflow does not have the ONNX file of this run; name it as iris_mlp@"):
        locate(run_id)


def test_an_unreachable_mlflow_leaves_out_its_records_with_one_warning(here, locate, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found = locate("iris_mlp", "iris_mlp@first")
    assert len(found) == 2
    assert capsys.readouterr().err.count("its records are left out") == 1
    with pytest.raises(ComparisonError, match=r"^models:/iris_mlp/1: MLflow does not have it, or cannot be used"):
        locate("models:/iris_mlp/1")
