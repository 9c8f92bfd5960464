"""The whole pipeline for real, on a few hundred rows: what comes out, what runs again, what stops it."""

import csv
import hashlib
import json
import re
import shutil
import sys
from urllib.parse import urlsplit

import mlflow
import numpy as np
import onnx
import onnxruntime
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML

from penstock.config.loading import load_config
from penstock.io.files import dvc_directory_hash
from penstock.io.processed_dataset import ProcessedDataset
from tests.conftest import REPOSITORY, SMALL_MODELS, lookups_of, of_each_model

CONFIG = load_config(REPOSITORY / "params.yaml")
ALL = CONFIG.models
MODELS = {name: model.dataset for name, model in ALL.items()}
CLASSIFIERS = [name for name, model in ALL.items() if model.task == "classification"]
ON_MNIST = {name for name, dataset in MODELS.items() if dataset == "mnist"}
ON_IMDB = {name for name, dataset in MODELS.items() if dataset == "imdb"}
SAMPLES = {"iris": 30, "mnist": 600, "imdb": 600}
FIGURES = {
    "classification": {"loss", "accuracy"},
    "reconstruction": {"loss", "mean_squared_error"},
    "adversarial": {"loss", "generator_loss", "discriminator_loss"},
}
# Raw inputs as a user has them.
RAW = {
    "features": np.array([[5.1, 3.5, 1.4, 0.2]], dtype=np.float32),
    "pixels": np.zeros((1, 28, 28), dtype=np.uint8),
    "text": np.array(["A wonderful film.<br />10/10"], dtype=object),
    "noise": np.zeros((1, 100), dtype=np.float32),
}


def stages_of(models, *stages):
    return {f"{stage}@{model}" for model in models for stage in stages or ("train", "export", "validate")}


def models_of(project):
    return load_config(project.root / "params.yaml").models


def in_run(stages, project):
    """Leave out the stages of models that the run does not have."""
    left_out = ALL.keys() - models_of(project)
    return {stage for stage in stages if stage.partition("@")[2] not in left_out}


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
    """The stages that `dvc status` says are not up to date; the tuned ones have not all been run."""
    done = copy.run("dvc", "status", "--json")
    return {stage for stage in json.loads(done.stdout.splitlines()[-1]) if not stage.startswith("tuned/")}


@pytest.mark.parametrize("model", of_each_model(MODELS))
def test_reports_have_their_public_keys(report, model):
    training = report(model, "training")
    assert {"parameters", "epochs", "best_epoch", "train", "val"} <= training.keys()
    assert training["train"].keys() == FIGURES[ALL[model].task]
    validation = report(model, "validation")
    assert validation["model"] == model
    assert validation["dataset"] == MODELS[model]
    assert validation["samples"] == SAMPLES[MODELS[model]]
    assert validation["baseline"]["name"] == ALL[model].baseline
    assert validation["parity"]["max_abs_diff"] <= ALL[model].gates.parity
    assert validation["parity"].get("agreement", 1.0) == 1.0
    primary = next(iter(validation["test"]))
    assert {"bytes", "sha256", "max_abs_diff", primary} <= validation["int8"].keys()
    assert report(model, "test") == {primary: validation["test"][primary]}


def test_cross_validation_reports_mean_sd_and_every_score(report):
    folds = report("iris_mlp", "training")["cv"]
    assert len(folds["scores"]) == 5
    assert folds["mean"] == pytest.approx(np.mean(folds["scores"]), abs=1e-6)
    assert folds["std"] == pytest.approx(np.std(folds["scores"], ddof=1), abs=1e-6)


def test_the_texts_in_both_parts_of_imdb_are_reported_and_kept_out(report, small_run):
    data = report("imdb", "data")
    assert data["duplicates"]["official"]["across"] == {"train_and_test": 123}
    assert data["duplicates"]["leaked"] == 0


@pytest.mark.parametrize("model", of_each_model(sorted(ON_IMDB)))
def test_every_text_has_the_word_ids_of_preprocessing_in_the_graph(report, model):
    assert report(model, "validation")["parity"]["token_ids"] == 1.0


@pytest.mark.parametrize("model", of_each_model(MODELS))
def test_the_report_names_the_bytes_that_were_proven(report, small_run, model):
    content = (small_run.root / "models" / model / "model.onnx").read_bytes()
    assert report(model, "validation")["onnx"] == {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


@pytest.mark.parametrize("model", of_each_model(MODELS))
def test_an_int8_file_is_validated_where_it_is_served(small_run, report, model):
    folder, int8 = small_run.root / "models" / model, report(model, "validation")["int8"]
    content = (folder / "model.int8.onnx").read_bytes()
    assert (int8["bytes"], int8["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    validation = json.loads((folder / "validation.json").read_text())
    assert validation.get("int8_sha256") == (int8["sha256"] if ALL[model].int8.serve else None)
    exact, candidate = (onnx.load(folder / name) for name in ("model.onnx", "model.int8.onnx"))
    said, says = ({one.key: one.value for one in proto.metadata_props} for proto in (exact, candidate))
    assert says == said | {"precision": "int8"}


@pytest.mark.parametrize("model", of_each_model(MODELS))
def test_one_file_serves(small_run, model):
    """Stock onnxruntime, raw inputs, any number of rows; the file says what it is and what it was made from."""
    path = small_run.root / "models" / model / "model.onnx"
    proto = onnx.load(path, load_external_data=False)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in proto.graph.initializer)
    assert str(small_run.root).encode() not in path.read_bytes()
    session = onnxruntime.InferenceSession(path)
    metadata = session.get_modelmeta().custom_metadata_map
    processed = ProcessedDataset(small_run.root / "data/processed" / MODELS[model])
    classes = list(processed.info.classes)
    assert (
        metadata["data"] == dvc_directory_hash(processed.folder) == locked(small_run)[f"data/processed/{MODELS[model]}"]
    )
    assert metadata.keys() - {"classes", "ranges"} == {"model", "dataset", "input", "data", "parameters", "code"}
    if processed.info.kind == "table":
        seen = processed.split("train").inputs
        assert np.allclose(json.loads(metadata["ranges"]), np.stack([seen.min(axis=0), seen.max(axis=0)], axis=1))
    (name,) = [node.name for node in session.get_inputs()]
    for rows in (1, 3, 300):
        outputs = [node.name for node in session.get_outputs()]
        answers = dict(zip(outputs, session.run(outputs, {name: np.concatenate([RAW[name]] * rows)}), strict=True))
        assert {len(answer) for answer in answers.values()} == {rows}
        if model in CLASSIFIERS:
            assert json.loads(metadata["classes"]) == classes
            assert answers["probabilities"].shape == (rows, len(classes))
            assert np.allclose(answers["probabilities"].sum(axis=1), 1, atol=1e-6)
            assert (answers["label"] == answers["probabilities"].argmax(axis=1)).all()


def test_a_reconstruction_is_of_shares_and_an_image_of_bytes(small_run):
    encoder = onnxruntime.InferenceSession(small_run.root / "models/mnist_autoencoder/model.onnx")
    latent, given_back = encoder.run(["latent", "reconstruction"], {"pixels": RAW["pixels"]})
    assert latent.shape == (1, 32)
    assert 0 <= given_back.min() <= given_back.max() <= 1
    generator = onnxruntime.InferenceSession(small_run.root / "models/mnist_gan/model.onnx")
    (image,) = generator.run(["image"], {"noise": RAW["noise"]})
    assert image.shape == (1, 28, 28)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("model", of_each_model(sorted(ON_IMDB)))
@pytest.mark.parametrize("texts", [[""], ["", ""], ["", "good"], ["good " * 5000]])
def test_an_exported_text_model_takes_empty_and_very_long_texts(small_run, model, texts):
    session = onnxruntime.InferenceSession(small_run.root / "models" / model / "model.onnx")
    (probabilities,) = session.run(["probabilities"], {"text": np.array(texts, dtype=object)})
    assert np.isfinite(probabilities).all()


@pytest.mark.parametrize("model", of_each_model(MODELS))
def test_one_finished_run_per_model_has_the_whole_story(client, small_run, report, model):
    experiment = client.get_experiment_by_name(MODELS[model])
    (run,) = [run for run in client.search_runs([experiment.experiment_id]) if run.info.run_name == model]
    assert run.info.status == "FINISHED"
    with (small_run.root / "reports" / model / "history.csv").open() as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file)]
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [metric.step for metric in history] == epochs
    figure, value = next(iter(report(model, "validation")["test"].items()))
    assert run.data.metrics[f"test/{figure}"] == value
    assert run.data.metrics["time/train_seconds"] > 0
    assert run.data.tags["dvc.data"] == locked(small_run)[f"data/processed/{MODELS[model]}"]
    assert run.data.tags["gate"] == "passed"
    assert run.data.tags["gates.parity"] == str(ALL[model].gates.parity)
    assert run.data.params["training.seed"] == "1"
    contexts = {one.tags[0].value: one.dataset for one in run.inputs.dataset_inputs}
    assert contexts.keys() == {"training", "validation", "testing"}
    assert {one.digest for one in contexts.values()} == {run.data.tags["dvc.data"]}
    assert json.loads(contexts["testing"].profile)["features_shape"][0] == report(model, "validation")["samples"]
    assert "learning_curves.png" in {file.path for file in client.list_artifacts(run.info.run_id)}
    images = {file.path.split("+timestamp")[0] for file in client.list_artifacts(run.info.run_id, "images")}
    own = {
        "classification": {"images/confusion_matrix+step+0"},
        "reconstruction": {"images/reconstructions+step+0"},
        "adversarial": {f"images/samples+step+{epoch}" for epoch in epochs},
    }
    assert own[ALL[model].task] <= images


@pytest.mark.parametrize("model", of_each_model(MODELS))
def test_every_onnx_file_is_a_logged_model_with_its_test_score_on_the_dataset(client, small_run, report, model):
    dataset = MODELS[model]
    experiment = client.get_experiment_by_name(dataset).experiment_id
    digest = locked(small_run)[f"data/processed/{dataset}"]
    on_this_data = [{"dataset_name": f"{dataset}_test", "dataset_digest": digest}]
    (logged,) = client.search_logged_models([experiment], f"name = '{model}'", datasets=on_this_data)
    validated = report(model, "validation")
    assert logged.tags["onnx.sha256"] == validated["onnx"]["sha256"]
    scores = {metric.key: metric.value for metric in logged.metrics}
    (score, value), *_ = validated["test"].items()
    assert scores[f"test/{score}"] == value


def test_every_fold_is_a_child_run(client, report):
    experiment = client.get_experiment_by_name("iris")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if run.info.run_name == "iris_mlp"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    scores = sorted(round(run.data.metrics["val/accuracy"], 6) for run in children)
    assert scores == sorted(report("iris_mlp", "training")["cv"]["scores"])
    assert parent.data.metrics["cv/mean"] == report("iris_mlp", "training")["cv"]["mean"]


@pytest.mark.parametrize("model", of_each_model(MODELS))
def test_the_registered_champion_answers_as_the_file_does(client, small_run, report, model, monkeypatch):
    version = client.get_model_version_by_alias(model, "champion")
    assert version.tags["onnx.sha256"] == report(model, "validation")["onnx"]["sha256"]
    # Not mlflow.set_tracking_uri, which would send the runs of later tests' processes there as well.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{small_run.root}/mlflow.db")
    loaded = mlflow.pyfunc.load_model(f"models:/{model}@champion")
    outputs = loaded.metadata.signature.outputs.input_names()
    example = loaded.input_example
    (name,) = example
    session = onnxruntime.InferenceSession(small_run.root / "models" / model / "model.onnx")
    assert outputs == [node.name for node in session.get_outputs()]
    answers = loaded.predict(example)
    for output, answer in zip(outputs, session.run(outputs, {name: example[name]}), strict=True):
        assert np.array_equal(answers[output], answer)


def test_the_page_shows_every_model_and_loads_nothing_from_elsewhere(small_run):
    page = (small_run.root / "results/index.html").read_text()
    for model in models_of(small_run):
        section = page.split(f'<details class="model" id="{model}">')[1].split('<details class="model"')[0]
        assert "Learning curves" in section
        assert ("data:image/png;base64," in section) == model.startswith("mnist"), model
    assert all(address.startswith(("data:", "#")) for address in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert "url(" not in page
    assert [path.name for path in (small_run.root / "results").iterdir()] == ["index.html"]


def test_the_page_of_models_is_made_of_measured_figures(small_run, report):
    page = (small_run.root / "docs/models.md").read_text()
    for model in models_of(small_run):
        section = page[page.index(f"## {model}\n") :].split("\n## ")[0]
        figure, value = next(iter(report(model, "validation")["test"].items()))
        assert f"| test {figure.replace('_', ' ')} | {value:.4f} |" in section
        assert f"| parameters | {report(model, 'training')['parameters']:,} |" in section
    assert (small_run.root / "docs/images/learning_curves.png").stat().st_size > 10_000


def test_a_clone_with_the_lock_and_the_reports_proves_its_own_models(changed_run):
    """What git carries is not enough to skip a stage: MLflow here would know nothing of the models."""
    for folder in ("models", ".dvc/cache"):
        shutil.rmtree(changed_run.root / folder)
    assert stale(changed_run) >= {"train@iris_mlp", "export@iris_mlp", "validate@iris_mlp", "register@iris_mlp"}


def test_a_second_repro_does_nothing(small_run):
    before = (small_run.root / "dvc.lock").read_bytes()
    assert "Running stage" not in small_run.run("dvc", "repro").stdout
    assert (small_run.root / "dvc.lock").read_bytes() == before


@pytest.mark.slow
def test_no_stage_looks_up_a_name_but_those_of_the_datasets(small_run, serial_run, repository):
    """`make repro` and plain `dvc repro`; neither leaves an identifier of this installation."""
    datasets = load_config(repository / "params.yaml").datasets.values()
    official = {urlsplit(url).hostname for dataset in datasets for url in dataset.urls}
    for run in (small_run, serial_run):
        assert lookups_of(run.root).names() <= official
        assert lookups_of(run.root).identifiers() == []


@pytest.mark.slow
def test_the_same_commit_gives_the_same_bytes(small_run, serial_run):
    """Another folder, another time, by `dvc repro` and by `penstock repro` side by side, nothing shared: every array,
    weight, model and report, in the same order of dvc.lock."""
    first, second = locked(small_run), locked(serial_run)
    for shown in ("results", "docs/models.md", "docs/images/learning_curves.png"):  # of all models, with seconds
        del first[shown], second[shown]
    assert list(second.items()) == [(path, md5) for path, md5 in first.items() if path in second]
    # Raw, processed and data.json of each dataset; four baselines and the FID reference; for each model four files of
    # train, two of export, four of validate, one of register.
    assert len(second) == 3 * 3 + 5 + len(SMALL_MODELS) * 11


@pytest.mark.parametrize(
    ("key", "value", "stages"),
    [
        ("models__mnist_cnn__training__epochs", 3, {"train@mnist_cnn", "report"}),
        ("models__mnist_cnn__gates__accuracy", 0.2, {"register@mnist_cnn", "report"}),
        (
            "models__iris_mlp__network__hidden_sizes",
            [11],
            {"train@iris_mlp", "report"},
        ),
        ("models__mnist_cnn__int8__reason", "worse", {"register@mnist_cnn", "report"}),
        ("models__mnist_cnn__reference", ["other words"], {"report"}),
        ("baselines__mnist_components__components", 31, {"baseline@mnist_components"}),
        ("tuned__mnist_cnn_tuned__gates__accuracy", 0.2, set()),
        ("datasets__imdb__split__seed", 8, {"preprocess@imdb"} | stages_of(ON_IMDB, "train")),
        ("datasets__mnist__checks__leakage", 1, {"preprocess@mnist"}),
        ("datasets__iris__behaviour__noise__std", 0.2, {"validate@iris_mlp"}),
        ("models__iris_mlp__gates__macro_f1", 0.2, {"register@iris_mlp", "report"}),
        ("download__mirrors", ["elsewhere"], set()),
        ("datasets__mnist__urls", ["http://127.0.0.1/"], set()),
        ("tracking__uri", "http://127.0.0.1:5000", set()),
    ],
)
def test_an_edited_parameter_makes_only_its_stages_stale(changed_run, key, value, stages):
    changed_run.edit_params(**{key: value})
    assert stale(changed_run) == in_run(stages, changed_run)


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        (
            "src/penstock/models/convolutional.py",
            stages_of(["mnist_cnn", "mnist_cnn_small", "mnist_cnn_deep"]),
        ),
        ("src/penstock/models/gan.py", stages_of(["mnist_gan"])),
        ("src/penstock/tasks/reconstruction/module.py", {"train@mnist_autoencoder"}),
        ("src/penstock/data/preprocessing/image.py", {f"preprocess@{name}" for name in CONFIG.datasets}),
        ("src/penstock/evaluation/evaluate.py", stages_of(MODELS, "validate") | {"report"}),
        ("src/penstock/evaluation/gates.py", stages_of(MODELS, "validate", "register") | {"report"}),
        ("src/penstock/tasks/adversarial/evaluation.py", {"validate@mnist_gan"}),
        ("src/penstock/training/fit.py", stages_of(MODELS, "train")),
        ("src/penstock/models/common/layers.py", stages_of(MODELS) | {"fid_reference@mnist_fid_reference"}),
        (
            "src/penstock/data/sources/csv.py",
            {f"preprocess@{name}" for name in CONFIG.datasets}
            | {f"baseline@{name}" for name in CONFIG.baselines}
            | stages_of(MODELS, "validate")
            | {"report"},
        ),
        ("src/penstock/config/networks.py", set()),
        ("src/penstock/tracking/run.py", set()),
        ("src/penstock/serving/app.py", set()),
    ],
)
def test_an_edited_file_makes_only_its_stages_stale(changed_run, file, stages):
    with (changed_run.root / file).open("a") as source:
        source.write("\n# edited\n")
    assert stale(changed_run) == in_run(stages, changed_run)


def test_an_edited_model_runs_again_with_what_follows_from_it_and_nothing_else(changed_run):
    changed_run.edit_params(models__iris_mlp__training__epochs=4)
    output = changed_run.run("dvc", "repro").stdout
    ran = [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]
    assert ran == ["train@iris_mlp", "export@iris_mlp", "validate@iris_mlp", "register@iris_mlp", "report"]


def test_a_missed_gate_fails_names_value_and_limit_and_registers_nothing(changed_run):
    """Only the gate has changed: the file that let the server load the model must not stay."""
    client = MlflowClient(f"sqlite:///{changed_run.root}/mlflow.db")
    before = client.search_model_versions("name = 'iris_mlp'")
    changed_run.edit_params(models__iris_mlp__gates__accuracy=0.999)
    done = changed_run.run("dvc", "repro", "register@iris_mlp", check=False)
    assert done.returncode != 0
    measured = json.loads((changed_run.root / "reports/iris_mlp/test.json").read_text())["accuracy"]
    assert f"models.iris_mlp.gates.accuracy: {measured:g}, must be at least 0.999" in done.stdout
    assert "Traceback" not in done.stdout
    assert len(client.search_model_versions("name = 'iris_mlp'")) == len(before)
    assert not (changed_run.root / "models/iris_mlp/validation.json").exists()
    done = changed_run.run("penstock", "predict", "iris_mlp", "5", "3", "1", "0", check=False)
    assert "has not passed its gates; `penstock repro register@iris_mlp`" in done.stdout


def test_a_served_int8_file_that_is_no_smaller_fails_as_any_gate_does(changed_run):
    changed_run.edit_params(models__iris_mlp__int8={"serve": True})
    done = changed_run.run("dvc", "repro", "--single-item", "register@iris_mlp", check=False)
    assert done.returncode != 0
    assert "models.iris_mlp.gates.int8 (bytes): " in done.stdout
    assert not (changed_run.root / "models/iris_mlp/validation.json").exists()


def test_a_file_that_disagrees_with_the_network_fails_validation(changed_run):
    changed_run.edit_params(models__iris_mlp__gates__parity=1e-12)
    done = changed_run.run("dvc", "repro", "--force", "--single-item", "validate@iris_mlp", check=False)
    assert done.returncode != 0
    assert "models.iris_mlp.gates.parity: " in done.stdout


def test_a_broken_expectation_fails_the_stage_and_names_it(changed_run):
    changed_run.edit_params(datasets__iris__checks__rows={"all": 151})
    done = changed_run.run("dvc", "repro", "preprocess@iris", check=False)
    assert done.returncode != 0
    assert "datasets.iris.checks.rows: declared {'all': 151}, found {'all': 150}" in done.stdout
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
    assert "continuing without it" in done.stdout
    assert locked(changed_run) == before


def test_a_model_trained_again_is_the_same_run(changed_run):
    """What a forced or repeated training of the same computation says to MLflow is already there."""
    changed_run.run("dvc", "repro", "--force", "--single-item", "train@mnist_cnn")
    client = MlflowClient(f"sqlite:///{changed_run.root}/mlflow.db")
    found = client.search_runs([one.experiment_id for one in client.search_experiments(filter_string="name = 'mnist'")])
    (run,) = [run for run in found if run.info.run_name == "mnist_cnn"]
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "train/loss")]
    assert steps == [1, 2]


def test_data_that_went_missing_are_noticed(changed_run):
    (changed_run.root / "data/processed/iris/folds.npy").unlink()
    assert "train@iris_mlp" in stale(changed_run)


def test_a_setting_that_its_use_shows_to_be_wrong_is_named_by_line_and_key(changed_run):
    network = changed_run.read_params()["models"]["iris_mlp"]["network"]
    changed_run.edit_params(models__imdb_lstm__network=network)
    done = changed_run.run(sys.executable, "pipelines/train.py", "imdb_lstm", check=False)
    assert done.returncode == 2
    assert re.search(r"error: params\.yaml:\d+: models\.imdb_lstm\.network\.kind: mlp needs numbers", done.stdout)
