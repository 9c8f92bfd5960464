"""`penstock card`: the model card of a model, as the Hugging Face Hub reads it."""

import json
import re
import subprocess
import sys

import numpy as np
import onnx
import pytest
from huggingface_hub import ModelCard, ModelCardData
from ruamel.yaml import YAML

from penstock.cli import main
from penstock.config.loading import load_config
from penstock.data.sources.offline import CLASSES
from penstock.io.files import read_json, sha256, write_json
from penstock.reporting.results import read_result
from tests.helpers.compared_models import GOOD, threshold_classifier
from tests.helpers.reported_project import add_sections, reported_project

METADATA = {
    "model": "iris_mlp",
    "dataset": "iris",
    "data": "d" * 32,
    "parameters": "p" * 64,
    "code": "c" * 64,
    "input": "four lengths in cm",
    "classes": json.dumps(CLASSES),
}
BEHAVIOUR = {
    "expectation": "same label",
    "rows": 30,
    "passed": 0.9,
    "accuracy": 0.9,
    "unperturbed_accuracy": 1.0,
    "examples": [],
}


@pytest.fixture
def project(repository, tmp_path, monkeypatch):
    """A clone in which iris_mlp has been exported and validated."""
    project = reported_project(repository, tmp_path)
    monkeypatch.chdir(project.root)
    files = project.model("iris_mlp", "models")
    files.onnx.parent.mkdir(parents=True)
    onnx.save(threshold_classifier(GOOD, **METADATA), files.onnx)
    measured = {"onnx": {"bytes": files.onnx.stat().st_size, "sha256": sha256(files.onnx)}}
    latency = {"sha256": measured["onnx"]["sha256"], "median_milliseconds": {"1": 0.01, "256": 0.2}}
    write_json(files.latency_report, {"onnx": latency})
    flowers = np.array([[5.1, 3.5, 1.4, 0.2]], np.float32)
    add_sections(project, "iris_mlp", {**measured, "behaviour": {"noise": BEHAVIOUR}}, example_inputs=flowers)
    return project


@pytest.fixture
def card(project, capsys):
    """The card of iris_mlp."""
    main(["card", "iris_mlp"])
    return capsys.readouterr().out


def refused(capsys, *arguments):
    """Exit code and message of a command that fails."""
    with pytest.raises(SystemExit) as exit_:
        main(["card", *arguments])
    return exit_.value.code, capsys.readouterr().err


def test_the_hub_reads_the_front_matter(card, project):
    read = ModelCard(card, ignore_metadata_errors=False).data
    assert isinstance(read, ModelCardData)
    assert (read.license, read.library_name, read.pipeline_tag) == ("mit", "onnx", "tabular-classification")
    assert read.datasets == ["scikit-learn/iris"]
    assert {"onnx", "penstock", "mlp"} <= set(read.tags or ())
    report = read_json(project.model("iris_mlp", "models").validation_report)
    found = {result.metric_name: result.metric_value for result in read.eval_results or ()}
    assert found["accuracy"] == report["test"]["accuracy"]
    assert len(found) == len(report["test"])
    assert {result.dataset_split for result in read.eval_results or ()} == {"test"}


def test_its_code_runs_beside_the_file(card, project):
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    folder = project.model("iris_mlp", "models").onnx.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    label, probability = done.stdout.split()
    assert label == "setosa"
    assert 0.9 < float(probability) <= 1


def test_it_has_the_sections_of_the_hub_and_the_facts_of_the_reports(card, project):
    headings = ["Model description", "Intended use", "How to use", "Training data", "Training procedure"]
    assert re.findall(r"^## (.*)", card, re.MULTILINE) == [*headings, "Evaluation", "Limitations", "Provenance"]
    params = YAML(typ="safe").load(project.params)
    for file in params["datasets"]["iris"]["files"].values():
        assert file["sha256"] in card
    (settings,) = re.findall(r"```yaml\n(.*?)```", card, re.DOTALL)
    assert YAML(typ="safe").load(settings)["training"]["epochs"] == params["models"]["iris_mlp"]["training"]["epochs"]
    assert sha256(project.model("iris_mlp", "models").onnx) in card
    assert all(METADATA[key] in card for key in ("data", "parameters", "code"))
    assert "| noise | same label | 30 | 90.0 % |" in card
    assert "In the behaviour test `noise`, only 90.0 % of the rows pass." in card
    assert "The test split has only 30 rows" in card


def test_tables_have_one_number_of_columns(card):
    tables = re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE)
    assert len(tables) > 5
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_output_is_a_file(project, card, capsys):
    main(["card", "iris_mlp", "--output", "README.md"])
    assert capsys.readouterr().out == "README.md: written\n"
    assert (project.root / "README.md").read_text() == card


def test_a_folder_is_no_output(project, capsys):
    assert refused(capsys, "iris_mlp", "--output", "reports") == (
        2,
        "error: --output reports: a folder; name a file, such as reports/README.md\n",
    )


def test_an_unknown_model_is_named_with_the_nearest(project, capsys):
    code, message = refused(capsys, "iris_mpl")
    assert code == 2
    assert "unknown model 'iris_mpl'; did you mean 'iris_mlp'?" in message


@pytest.mark.parametrize(
    ("model", "path", "command"),
    [
        ("iris_mlp", "reports/iris_mlp/validation.json", "dvc repro validate@iris_mlp"),
        ("iris_mlp", "reports/iris_mlp/training.json", "dvc repro train@iris_mlp"),
        ("iris_mlp", "reports/iris/data.json", "dvc repro preprocess@iris"),
        ("iris_mlp", "models/iris_mlp/model.onnx", "dvc repro export@iris_mlp"),
        ("imdb_ngrams", "tuned/models/imdb_ngrams/model.onnx", "dvc repro tuned/dvc.yaml:export@imdb_ngrams"),
    ],
)
def test_a_missing_file_is_named_with_the_command_that_makes_it(project, capsys, model, path, command):
    (project.root / path).unlink(missing_ok=True)
    assert refused(capsys, model) == (1, f"error: {path}: no such file; `{command}` makes it\n")


DAMAGES = {"cut": lambda text: text.rpartition(",")[0], "empty": lambda _: "", "conflict": "<<<<<<< HEAD\n".__add__}


@pytest.mark.parametrize("report", ["history", "per_class", "latency_report", "validation_report"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_report_is_named(project, capsys, report, damage):
    path = getattr(project.model("iris_mlp", "models"), report)
    path.write_text(damage(path.read_text()))
    code, message = refused(capsys, "iris_mlp")
    assert code == 1
    assert message.startswith(f"error: {path}:")


def test_a_latency_of_another_file_is_none_of_this_one(project):
    """Git does not have latency.json, so it may be older than the file."""
    files, config = project.model("iris_mlp", "models"), load_config(project.params)
    assert read_result("iris_mlp", config.model("iris_mlp"), files).latency == {"1": 0.01, "256": 0.2}
    for older in ({"onnx": {"sha256": "0" * 64, "median_milliseconds": {"1": 9}}}, {"median_milliseconds": {"1": 9}}):
        write_json(files.latency_report, older)
        assert read_result("iris_mlp", config.model("iris_mlp"), files).latency == {}


def test_a_report_of_another_file_is_refused(project, capsys):
    onnx.save(threshold_classifier((2.0, 3.0), **METADATA), project.model("iris_mlp", "models").onnx)
    code, message = refused(capsys, "iris_mlp")
    assert code == 1
    assert "reports/iris_mlp/validation.json: is about another file than models/iris_mlp/model.onnx" in message
