"""Reports of a regression and a multi-label classifier of one's own tables: evaluated, shown, described."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard, ModelCardData
from playwright.sync_api import expect
from sklearn import metrics
from sklearn.datasets import load_diabetes

from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.data.preprocessing.preprocess import preprocess
from penstock.data.sources.read import read_dataset
from penstock.evaluation.evaluate import evaluate
from penstock.evaluation.example_inputs import example_arrays
from penstock.evaluation.gates import registration_checks
from penstock.evaluation.results import EvaluationInputs
from penstock.evaluation.session import onnx_outputs, open_model
from penstock.export.graph import export
from penstock.export.quantize import write_int8
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import read_csv, read_json, write_arrays, write_csv, write_json
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.provenance import Provenance
from penstock.models.common.build import build_network
from penstock.models.common.fitted import FittedLayer
from penstock.new.dataset import Request, new_dataset
from penstock.reporting.card import model_card
from penstock.reporting.page import write_model_page, write_page
from penstock.reporting.results import gather
from penstock.reporting.run_results import run_images, run_tables
from penstock.tasks.multilabel import evaluation as multilabel
from penstock.tasks.regression import evaluation as regression
from tests.helpers.reported_project import reported_project
from tests.serving.ui.browser import chromium

MODELS = {"progress_tabular": regression, "risks_tabular": multilabel}
SCORES = {"progress_tabular": "r2", "risks_tabular": "macro_f1"}


def table(folder):
    """Write a table of patients with a category, missing values, two numbers and three labels."""
    found = load_diabetes(scaled=False, as_frame=True).frame
    rows = found[["age", "bmi"]].assign(site=np.where(found.sex == 1, "north", "south"))
    rows.loc[::5, "site"] = None
    rows["progress"], rows["pressure"] = found.target, found.bp
    rows["high"], rows["old"], rows["heavy"] = found.target > 150, found.age > 60, found.bmi > 28
    rows.to_csv(folder / "patients.csv", index=False)
    return folder / "patients.csv"


def evaluated(project, name, task):
    """Export an untrained network, evaluate it, and write its reports."""
    config = load_config(project.params)
    model, files = config.model(name), project.model(name, "models")
    dataset, raw = config.dataset(model.dataset), project.raw(model.dataset)
    raw.mkdir(parents=True)
    for file in dataset.files:
        shutil.copy(project.root / dataset.folder / file, raw)
    folder = project.processed(model.dataset)
    write_json(project.data_report(model.dataset), preprocess(model.dataset, dataset, raw=raw, folder=folder))
    processed = ProcessedDataset(folder)
    measured = {"r2": 0.1, "mean_squared_error": 5000.5, "mean_absolute_error": 55.5, "macro_f1": 0.3}
    write_json(project.baseline(model.baseline) / "baseline.json", measured)

    torch.manual_seed(0)
    network = build_network(model, processed.info)
    train = processed.split("train")
    for layer in network.modules():
        if isinstance(layer, FittedLayer):
            layer.fit(torch.from_numpy(train.inputs), torch.from_numpy(train.labels))
    files.onnx.parent.mkdir(parents=True)
    export(name, model, network, processed, Provenance(model=name, data="d", parameters="p", code="c"), files.onnx)
    write_int8(files.int8, files.onnx)
    inputs = EvaluationInputs(processed, dataset, raw, project.baseline(model.baseline), {})
    found = evaluate(files, model, task, network, inputs)
    write_json(files.validation_report, found.report)
    write_csv(files.per_class, found.per_class)
    write_arrays(files.examples, {**found.examples, **example_arrays(found.inputs[:3])})
    write_json(files.training_report, {"parameters": 9, "epochs": 2, "best_epoch": 1})
    curve = {"train/loss": 0.5, f"train/{SCORES[name]}": 0.4, "val/loss": 0.6, f"val/{SCORES[name]}": 0.3}
    write_csv(files.history, [{"epoch": epoch, **curve, "learning_rate": 0.1} for epoch in (1, 2)])


@pytest.fixture(scope="module")
def project(repository, tmp_path_factory):
    root = tmp_path_factory.mktemp("own")
    project = reported_project(repository, root)
    source = str(table(root))
    labels = ("high", "old", "heavy")
    new_dataset(project, Request("progress", source, target=("progress", "pressure"), leave_out=labels))
    new_dataset(project, Request("risks", source, target=labels, leave_out=("progress", "pressure")))
    for name, task in MODELS.items():
        evaluated(project, name, task)
    return project


def report(project, name):
    return read_json(project.model(name, "models").validation_report)


def answers(project, name):
    """Return the outputs of the exported file for the test rows, and the truth."""
    config = load_config(project.params)
    dataset = config.model(name).dataset
    test = ProcessedDataset(project.processed(dataset)).split("test")
    path = project.model(name, "models").onnx
    raw = read_dataset(config.dataset(dataset), project.raw(dataset))["all"]
    rows = ProcessedDataset(project.processed(dataset)).rows("test")
    return onnx_outputs(open_model(path), raw[rows].inputs, 256), test.labels


def test_a_regression_is_measured_by_target_and_slice(project):
    found, (outputs, truth) = report(project, "progress_tabular"), answers(project, "progress_tabular")
    assert list(found["test"]) == ["r2", "mean_squared_error", "mean_absolute_error"]
    assert found["test"]["r2"] == pytest.approx(metrics.r2_score(truth, outputs["prediction"]), abs=1e-5)
    assert found["baseline"]["mean_squared_error"] == 5000.5
    assert found["parity"]["max_abs_diff"] < 1e-4
    assert list(found["slices"]) == ["target", "quarter of progress", "quarter of pressure", "site"]
    assert [row["slice"] for row in found["slices"]["target"]] == ["progress", "pressure"]
    for slices in found["slices"].values():
        assert sum(row["rows"] for row in slices) in (len(truth), 2 * len(truth))
    assert "(missing)" in [row["slice"] for row in found["slices"]["site"]]
    worst = found["worst_errors"]
    assert [row["error"] for row in worst] == sorted((row["error"] for row in worst), reverse=True)
    assert list(worst[0]["columns"]) == ["age", "bmi", "site"]


def test_labels_are_measured_each(project):
    found, (outputs, truth) = report(project, "risks_tabular"), answers(project, "risks_tabular")
    assert list(found["test"]) == ["macro_f1", "micro_f1", "exact_match", "auroc", "loss"]
    expected = metrics.f1_score(truth, outputs["labels"], average="macro", zero_division=0)
    assert found["test"]["macro_f1"] == pytest.approx(expected, abs=1e-6)
    assert found["parity"]["agreement"] == 1
    assert [row["slice"] for row in found["slices"]["label"]] == ["high", "old", "heavy"]
    assert [row["label"] for row in read_csv(project.model("risks_tabular", "models").per_class)] == [
        "high",
        "old",
        "heavy",
    ]


@pytest.mark.parametrize("name", MODELS)
def test_gates_are_on_the_metrics_of_the_task(project, name):
    model = load_config(project.params).model(name)
    checks = registration_checks(model, {}, report(project, name))
    assert checks[SCORES[name]].value == report(project, name)["test"][SCORES[name]]
    assert checks["parity"].passed


def test_runs_have_their_figures_and_tables(project):
    shown = {}
    for name in MODELS:
        files = project.model(name, "models")
        rows, classes = read_csv(files.per_class), ["high", "old", "heavy"]
        images = [image.key for image in run_images(rows, {}, classes)]
        shown[name] = images, list(run_tables(report(project, name), rows, {}))
    assert shown == {
        "progress_tabular": (["predictions"], ["worst_errors"]),
        "risks_tabular": (["label_scores"], ["label_scores", "worst_errors"]),
    }
    (error, *_) = run_tables(report(project, "progress_tabular"), [{"target": ""}], {})["worst_errors"]
    assert {"row", "actual", "predicted", "error", "age", "bmi", "site"} == set(error)


def test_the_page_shows_predictions_labels_and_inputs(project):
    config = load_config(project.params)
    page = write_page(project, config, gather(project, config, {}))
    with chromium() as browser:
        tab = browser.new_page()
        complaints = []
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(page.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        regression, labels = (tab.locator(f"#{name}") for name in MODELS)
        for title in ("progress, actual", "progress, predicted", "pressure, actual"):
            expect(regression.get_by_role("img", name=title)).to_be_visible()
        expect(regression.get_by_role("region", name="slices by site")).to_contain_text("(missing)")
        expect(regression.get_by_role("region", name="worst errors")).to_contain_text("bmi")
        expect(labels.get_by_role("img", name="score: high, old, heavy")).to_be_visible()
        expect(labels.get_by_role("region", name="slices by label")).to_contain_text("heavy")
        findings = tab.get_by_role("region", name="Findings").locator("tbody tr")
        shown = {name: row for name, *row in (text.split("\t")[:4] for text in findings.all_inner_texts())}
        assert shown["progress"] == ["349", "none", "none"]
        assert shown["risks"] == ["349", "none", "age → old (1.000), bmi → heavy (1.000)"]
        assert shown["mnist"][1] == "", "pixels have no constant columns"
        assert complaints == []


def test_the_page_of_the_models_has_them(project):
    config = load_config(project.params)
    text = write_model_page(project, config, gather(project, config, {})).read_text()
    assert "| [progress_tabular](#progress_tabular) | R² " in text
    assert "| [risks_tabular](#risks_tabular) | F1 " in text


@pytest.mark.parametrize("name", MODELS)
def test_a_card_is_valid_and_its_code_runs(project, name):
    card = model_card(project, load_config(project.params), name, None)
    read = ModelCard(card, ignore_metadata_errors=False).data
    assert isinstance(read, ModelCardData)
    assert read.license is None, "the license of the project is not that of others' models"
    assert (read.pipeline_tag or "").startswith("tabular-")
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    folder = project.model(name, "models").onnx.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert "[" in done.stdout
    for rows in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        assert len({line.count("|") for line in rows.splitlines()}) == 1, rows


def test_a_project_without_classifiers_has_a_page(project, tmp_path):
    config = load_config(project.params)
    only = [result for result in gather(project, config, {}) if result.name == "progress_tabular"]
    other = Project(tmp_path)
    write_model_page(other, config, only)
    assert (other.model_page.parent / "images/learning_curves.png").stat().st_size > 0
    assert DatasetInfo.load(project.processed("progress")).classes == ()
