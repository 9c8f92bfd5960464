"""The whole pipeline for real, on a few hundred rows: what comes out, what runs again, what stops it."""

import csv
import hashlib
import json
import shutil

import mlflow
import numpy as np
import onnx
import onnxruntime
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML

from penstock.data.processed import Processed
from penstock.files import dvc_directory_hash

MODELS = {"iris_mlp": "iris", "mnist_cnn": "mnist", "imdb_lstm": "imdb"}
SAMPLES = {"iris_mlp": 30, "mnist_cnn": 600, "imdb_lstm": 600}


@pytest.fixture
def report(small_run):
    return lambda name, kind: json.loads((small_run.root / "reports" / name / f"{kind}.json").read_text())


@pytest.fixture
def client(small_run):
    return MlflowClient(f"sqlite:///{small_run.root}/mlflow.db")


def locked(copy):
    """Every output of every stage with its md5, out of dvc.lock."""
    stages = YAML(typ="safe").load((copy.root / "dvc.lock").read_text())["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def stale(copy):
    """The stages that `dvc status` says are not up to date."""
    done = copy.run("dvc", "status", "--json")
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("model", MODELS)
def test_reports_have_their_public_keys(report, model):
    training = report(model, "training")
    assert {"parameters", "epochs", "best_epoch", "train", "validation"} <= training.keys()
    assert training["train"].keys() == training["validation"].keys() == {"loss", "accuracy"}
    validation = report(model, "validation")
    assert validation["model"] == model
    assert validation["dataset"] == MODELS[model]
    assert validation["samples"] == SAMPLES[model]
    assert validation["test"].keys() == {"accuracy", "loss"}
    assert validation["parity"]["batch_sizes"] == [1, 7, 256]
    assert validation["parity"]["max_abs_diff"] <= 1e-4
    assert validation["parity"]["agreement"] == 1.0
    assert validation["gate"]["passed"] is True
    assert all(check.keys() == {"value", "limit", "passed"} for check in validation["gate"]["checks"].values())


def test_cross_validation_reports_mean_sd_and_every_score(report):
    folds = report("iris_mlp", "training")["folds"]
    assert len(folds["scores"]) == 5
    assert folds["mean"] == pytest.approx(np.mean(folds["scores"]), abs=1e-6)
    assert folds["sd"] == pytest.approx(np.std(folds["scores"], ddof=1), abs=1e-6)


def test_the_texts_in_both_parts_of_imdb_are_reported_and_kept_out(report, small_run):
    data = report("imdb", "data")
    assert data["duplicates"]["official"]["across"] == {"train_and_test": 123}
    assert data["duplicates"]["leaked"] == 0
    assert report("imdb_lstm", "validation")["token_ids"] == {"equal": 1.0, "texts": 50_000}


@pytest.mark.parametrize("model", MODELS)
def test_the_report_names_the_bytes_that_were_proven(report, small_run, model):
    content = (small_run.root / "models" / model / "model.onnx").read_bytes()
    assert report(model, "validation")["onnx"] == {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


@pytest.mark.parametrize("model", MODELS)
def test_one_file_serves(small_run, model):
    """Stock onnxruntime, raw inputs, any number of rows; the file says what it is and what it was made from."""
    path = small_run.root / "models" / model / "model.onnx"
    proto = onnx.load(path, load_external_data=False)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in proto.graph.initializer)
    assert str(small_run.root).encode() not in path.read_bytes()
    session = onnxruntime.InferenceSession(path)
    metadata = session.get_modelmeta().custom_metadata_map
    processed = Processed(small_run.root / "data/processed" / MODELS[model])
    assert json.loads(metadata["classes"]) == list(processed.manifest.classes)
    assert (
        metadata["data"] == dvc_directory_hash(processed.folder) == locked(small_run)[f"data/processed/{MODELS[model]}"]
    )
    assert metadata.keys() == {"model", "dataset", "input", "classes", "data", "parameters", "code"}
    raw = {
        "iris_mlp": np.array([[5.1, 3.5, 1.4, 0.2]], dtype=np.float32),
        "mnist_cnn": np.zeros((1, 28, 28), dtype=np.uint8),
        "imdb_lstm": np.array(["A wonderful film.<br />10/10"], dtype=object),
    }[model]
    for rows in (1, 3, 300):
        (name,) = [node.name for node in session.get_inputs()]
        probabilities, label = session.run(["probabilities", "label"], {name: np.concatenate([raw] * rows)})
        assert probabilities.shape == (rows, len(processed.manifest.classes))
        assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)
        assert (label == probabilities.argmax(axis=1)).all()


@pytest.mark.parametrize("texts", [[""], ["", ""], ["", "good"], ["good " * 5000]])
def test_an_exported_text_model_takes_empty_and_very_long_texts(small_run, texts):
    session = onnxruntime.InferenceSession(small_run.root / "models/imdb_lstm/model.onnx")
    (probabilities,) = session.run(["probabilities"], {"text": np.array(texts, dtype=object)})
    assert np.isfinite(probabilities).all()


@pytest.mark.parametrize("model", MODELS)
def test_one_finished_run_per_model_has_the_whole_story(client, small_run, report, model):
    experiment = client.get_experiment_by_name(MODELS[model])
    (run,) = [run for run in client.search_runs([experiment.experiment_id]) if run.info.run_name == model]
    assert run.info.status == "FINISHED"
    with (small_run.root / "reports" / model / "history.csv").open() as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file)]
    history = client.get_metric_history(run.info.run_id, "validation_loss")
    assert [metric.step for metric in history] == epochs
    assert run.data.metrics["test_accuracy"] == report(model, "validation")["test"]["accuracy"]
    assert run.data.metrics["seconds"] > 0
    assert run.data.tags["dvc.data"] == locked(small_run)[f"data/processed/{MODELS[model]}"]
    assert run.data.tags["gate"] == "passed"
    assert run.data.tags["gates.parity"] == "0.0001"
    assert run.data.params["training.seed"] == "1"
    assert run.inputs.dataset_inputs[0].dataset.digest == run.data.tags["dvc.data"]
    figures = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"learning_curves.png", "confusion_matrix.png"} <= figures


@pytest.mark.parametrize("model", MODELS)
def test_the_registered_champion_answers_as_the_file_does(client, small_run, report, model):
    version = client.get_model_version_by_alias(model, "champion")
    assert version.tags["onnx.sha256"] == report(model, "validation")["onnx"]["sha256"]
    mlflow.set_tracking_uri(f"sqlite:///{small_run.root}/mlflow.db")
    loaded = mlflow.pyfunc.load_model(f"models:/{model}@champion")
    assert loaded.metadata.signature.outputs.input_names() == ["probabilities", "label"]
    example = loaded.input_example
    (name,) = example
    session = onnxruntime.InferenceSession(small_run.root / "models" / model / "model.onnx")
    probabilities, label = session.run(["probabilities", "label"], {name: example[name]})
    answers = loaded.predict(example)
    assert np.array_equal(answers["probabilities"], probabilities)
    assert np.array_equal(answers["label"], label)


def test_the_page_shows_every_model_and_loads_nothing_from_elsewhere(small_run):
    page = (small_run.root / "results/index.html").read_text()
    assert all(model in page for model in MODELS)
    assert "http://" not in page
    assert "https://" not in page
    assert len(list((small_run.root / "results/figures").iterdir())) == 2 * len(MODELS)


def test_a_clone_with_the_lock_and_the_reports_proves_its_own_models(changed_run):
    """What git carries is not enough to skip a stage: MLflow here would know nothing of the models."""
    for folder in ("models", ".dvc/cache"):
        shutil.rmtree(changed_run.root / folder)
    assert stale(changed_run) >= {"train@iris_mlp", "export@iris_mlp", "validate@iris_mlp"}


def test_a_second_repro_does_nothing(small_run):
    before = (small_run.root / "dvc.lock").read_bytes()
    assert "Running stage" not in small_run.run("dvc", "repro").stdout
    assert (small_run.root / "dvc.lock").read_bytes() == before


def test_the_same_commit_gives_the_same_bytes(small_run, newcomer_run):
    """Another folder, another time, nothing shared: every array, weight, model and report."""
    first, second = locked(small_run), locked(newcomer_run.copy)
    first.pop("results")  # the page shows seconds
    second.pop("results")
    assert first == second
    assert len(first) == 3 * 3 + 3 * 6


@pytest.mark.parametrize(
    ("key", "value", "stages"),
    [
        ("models__mnist_cnn__training__epochs", 3, {"train@mnist_cnn", "report"}),
        ("models__mnist_cnn__gates__accuracy", 0.2, {"validate@mnist_cnn", "report"}),
        (
            "models__iris_mlp__network__hidden",
            [11],
            {"train@iris_mlp", "export@iris_mlp", "validate@iris_mlp", "report"},
        ),
        ("datasets__imdb__split__seed", 8, {"preprocess@imdb", "train@imdb_lstm"}),
        ("datasets__mnist__expect__leakage", 1, {"preprocess@mnist"}),
        ("download__mirrors", ["elsewhere"], set()),
        ("datasets__mnist__official", ["http://127.0.0.1/"], set()),
        ("tracking__uri", "http://127.0.0.1:5000", set()),
    ],
)
def test_an_edited_parameter_makes_only_its_stages_stale(changed_run, key, value, stages):
    changed_run.edit_params(**{key: value})
    assert stale(changed_run) == stages


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        (
            "src/penstock/networks/convolutional.py",
            {"train@mnist_cnn", "export@mnist_cnn", "validate@mnist_cnn"},
        ),
        ("src/penstock/data/inputs/image.py", {"preprocess@mnist"}),
        ("src/penstock/export/validation.py", {"validate@iris_mlp", "validate@mnist_cnn", "validate@imdb_lstm"}),
        ("src/penstock/data/datasets/iris.py", {"download@iris", "preprocess@iris", "validate@iris_mlp"}),
        ("src/penstock/tracking/run.py", set()),
        ("src/penstock/serving/app.py", set()),
    ],
)
def test_an_edited_file_makes_only_its_stages_stale(changed_run, file, stages):
    with (changed_run.root / file).open("a") as source:
        source.write("\n# edited\n")
    assert stale(changed_run) == stages


def test_an_edited_model_runs_again_with_what_follows_from_it_and_nothing_else(changed_run):
    changed_run.edit_params(models__iris_mlp__training__epochs=4)
    output = changed_run.run("dvc", "repro").stdout
    ran = [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]
    assert ran == ["train@iris_mlp", "export@iris_mlp", "validate@iris_mlp", "report"]


def test_a_missed_gate_fails_says_by_how_much_and_registers_nothing(changed_run):
    changed_run.edit_params(models__iris_mlp__gates__accuracy=0.999, models__iris_mlp__training__seed=5)
    before = MlflowClient(f"sqlite:///{changed_run.root}/mlflow.db").search_model_versions("name = 'iris_mlp'")
    done = changed_run.run("dvc", "repro", "validate@iris_mlp", check=False)
    assert done.returncode != 0
    assert "models.iris_mlp.gates: accuracy: " in done.stdout
    assert ", at least 0.999, missed by " in done.stdout
    assert "Traceback" not in done.stdout
    after = MlflowClient(f"sqlite:///{changed_run.root}/mlflow.db").search_model_versions("name = 'iris_mlp'")
    assert len(after) == len(before)
    done = changed_run.run("penstock", "predict", "iris_mlp", "5", "3", "1", "0", check=False)
    assert "has not passed its gates" in done.stdout


def test_a_broken_expectation_fails_the_stage_and_names_it(changed_run):
    changed_run.edit_params(datasets__iris__expect__rows={"all": 151})
    done = changed_run.run("dvc", "repro", "preprocess@iris", check=False)
    assert done.returncode != 0
    assert "datasets.iris.expect.rows: declared {'all': 151}, found {'all': 150}" in done.stdout
    assert "Traceback" not in done.stdout


def test_without_a_tracking_server_there_is_a_warning_and_the_same_outputs(changed_run):
    before = locked(changed_run)
    done = changed_run.run(
        "dvc",
        "repro",
        "--force",
        "--single-item",
        "train@iris_mlp",
        MLFLOW_TRACKING_URI="http://127.0.0.1:9",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )
    assert done.stdout.count("warning:") == 1
    assert "going on without it" in done.stdout
    assert locked(changed_run) == before


def test_a_model_trained_again_is_the_same_run(changed_run):
    """What a forced or repeated training of the same computation says to MLflow is already there."""
    changed_run.run("dvc", "repro", "--force", "--single-item", "train@mnist_cnn")
    client = MlflowClient(f"sqlite:///{changed_run.root}/mlflow.db")
    (run,) = client.search_runs(
        [experiment.experiment_id for experiment in client.search_experiments(filter_string="name = 'mnist'")]
    )
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "train_loss")]
    assert steps == [1, 2]


def test_data_that_went_missing_are_noticed(changed_run):
    (changed_run.root / "data/processed/iris/folds.npy").unlink()
    assert "train@iris_mlp" in stale(changed_run)
