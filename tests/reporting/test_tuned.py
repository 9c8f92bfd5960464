"""Tuned models are compared with documented ones by a paired test where their files are here."""

import pytest

from penstock.config.loading import load_config
from penstock.core.paths import ModelFiles
from penstock.io.files import sha256
from penstock.reporting import tuned as module
from penstock.reporting.results import Result
from penstock.reporting.tuned import EITHER_FILE, tuned_results
from tests.helpers.compared_models import GOOD, POOR, ComparedProject

DOCUMENTED, TUNED = "models/iris_mlp/model.onnx", "tuned/models/iris_mlp_tuned/model.onnx"


@pytest.fixture
def here(repository, tmp_path):
    return ComparedProject.create(repository, tmp_path)


@pytest.fixture
def settings(here):
    config = load_config(here.project.params)
    return config.model_copy(update={"tuned": {"iris_mlp_tuned": config.models["iris_mlp"]}})


def result(here, settings, name, accuracy):
    """Result of a model whose report is about the file that is here, or about none."""
    home = here.root / "tuned" if name in settings.tuned else here.root
    files = ModelFiles(home, name)
    digest = sha256(files.onnx) if files.onnx.is_file() else "0" * 64
    validation = {"test": {"accuracy": accuracy}, "onnx": {"sha256": digest}}
    model = settings.every_model[name]
    return Result(
        name=name, model=model, files=files, training={}, validation=validation, seeds=None, latency={}, seconds=None
    )


def compared(here, settings):
    results = [result(here, settings, "iris_mlp", 0.8), result(here, settings, "iris_mlp_tuned", 0.9)]
    (found,) = tuned_results(here.project, settings, results)
    return found


def test_two_files_are_tested_on_the_same_rows(here, settings):
    here.write(POOR)
    here.write(GOOD, TUNED)
    found = compared(here, settings)
    assert (found.documented.name, found.tuned.name, found.tested) == ("iris_mlp", "iris_mlp_tuned", True)
    score = found.score
    assert score["score"] == "accuracy"
    assert score["b"] - score["a"] == pytest.approx(score["difference"], abs=1e-6)
    assert score["interval"][0] < score["difference"] < score["interval"][1]
    assert found.comparison["verdict"] == "better"


def test_a_comparison_is_made_once(here, settings, monkeypatch):
    here.write(POOR)
    here.write(GOOD, TUNED)
    first = compared(here, settings)
    monkeypatch.setattr(module, "compare", lambda *arguments: pytest.fail("compared again"))
    assert compared(here, settings).comparison == first.comparison
    here.write(POOR, TUNED)
    with pytest.raises(BaseException, match="compared again"):
        compared(here, settings)


def test_without_files_the_stored_scores_are_shown(here, settings):
    here.write(POOR)
    found = compared(here, settings)
    assert not found.tested
    assert found.score == {"score": "accuracy", "a": 0.8, "b": 0.9, "difference": pytest.approx(0.1)}
    assert found.reason == f"{EITHER_FILE} is not here"


def test_a_file_of_another_report_is_not_tested(here, settings):
    here.write(POOR)
    here.write(GOOD, TUNED)
    results = [result(here, settings, "iris_mlp", 0.8), result(here, settings, "iris_mlp_tuned", 0.9)]
    here.write(POOR, TUNED)
    (found,) = tuned_results(here.project, settings, results)
    assert (found.tested, found.reason) == (False, f"{EITHER_FILE} does not belong to its report")


def test_without_test_data_the_reason_names_the_folder(here, settings):
    here.write(POOR)
    here.write(GOOD, TUNED)
    here.project.processed("iris").rename(here.root / "elsewhere")
    assert "data/processed/iris" in compared(here, settings).reason


def test_a_tuned_model_without_a_namesake_is_compared_with_the_best_of_its_dataset(here, settings):
    best = settings.model_copy(update={"models": settings.models | {"iris_best": settings.models["iris_mlp"]}})
    other = best.model_copy(update={"tuned": {"iris_wide": settings.models["iris_mlp"]}})
    scores = {"iris_mlp": 0.8, "iris_best": 0.85, "iris_wide": 0.9}
    results = [result(here, other, name, score) for name, score in scores.items()]
    (found,) = tuned_results(here.project, other, results)
    assert found.documented.name == "iris_best"
