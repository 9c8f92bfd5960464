"""Tests of the saved views of an experiment: what they show, and when they are written."""

import json
from secrets import token_hex

import pytest
from mlflow import MlflowClient

from penstock.tracking.saved_views import SavedView
from penstock.tracking.view_links import show_view_links
from penstock.tracking.views import VIEWS, Content
from tests.tracking.tracked_runs import TrackedRuns

PREFIX = "mlflow.sharedViewState."
LEADERBOARD, CURVES, COSTS, IMAGES, SEARCH = (
    f"{PREFIX}penstock-{name}" for name in ("leaderboard", "learning-curves", "cost-and-quality", "images", "search")
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return tmp_path_factory.mktemp("project")


@pytest.fixture
def runs(project, request):
    """An experiment of its own in a database that all tests share, since MLflow takes seconds to create one."""
    return TrackedRuns(project, request.node.name)


def views(runs):
    """Return the tags of the views of the experiment."""
    return {tag: value for tag, value in runs.find_experiment().tags.items() if tag.startswith(PREFIX)}


def state(runs, view):
    saved = SavedView.parse(views(runs)[view])
    assert saved is not None
    return saved.state


def write(runs, tag, value):
    MlflowClient(runs.uri).set_experiment_tag(runs.find_experiment().experiment_id, tag, value)


def test_an_experiment_has_the_views_for_which_it_has_metrics(runs):
    runs.train("mnist_cnn", "accuracy", 0.9)
    assert views(runs).keys() == {CURVES}
    runs.validate("mnist_cnn", {"test/accuracy": 0.9})
    assert views(runs).keys() == {LEADERBOARD, CURVES, COSTS}


@pytest.mark.parametrize(
    ("score", "ascending"), [("accuracy", False), ("mean_squared_error", True), ("frechet_distance", True)]
)
def test_leaderboard_begins_with_the_best_score(score, ascending):
    leaderboard = VIEWS[0].state_of(Content({f"test/{score}", "test/loss", "model/onnx_bytes"}))
    assert leaderboard is not None
    assert leaderboard["orderByKey"] == leaderboard["selectedColumns"][0] == f"metrics.`test/{score}`"
    assert leaderboard["orderByAsc"] is ascending
    assert {"tags.`gate`", "metrics.`test/loss`", "metrics.`model/onnx_bytes`"} <= set(leaderboard["selectedColumns"])


def test_a_model_of_another_task_adds_columns_and_charts_under_the_same_address(runs):
    runs.train("mnist_cnn", "accuracy", 0.9)
    runs.validate("mnist_cnn", {"test/accuracy": 0.9})
    before = views(runs).keys()
    runs.train("mnist_autoencoder", "mean_squared_error", 0.1)
    runs.validate("mnist_autoencoder", {"test/mean_squared_error": 0.1})
    assert views(runs).keys() == before
    assert state(runs, LEADERBOARD)["selectedColumns"][:2] == [
        "metrics.`test/accuracy`",
        "metrics.`test/mean_squared_error`",
    ]
    assert [section["name"] for section in state(runs, COSTS)["compareRunSections"]] == [
        "Accuracy",
        "Mean squared error",
    ]


def test_a_view_is_written_again_only_if_its_content_has_changed(runs):
    runs.train("mnist_cnn", "accuracy", 0.9)
    runs.validate("mnist_cnn", {"test/accuracy": 0.9})
    before = views(runs)
    runs.train("mnist_cnn_small", "accuracy", 0.8)
    runs.validate("mnist_cnn_small", {"test/accuracy": 0.8})
    assert views(runs) == before


def shown_images(state):
    """Return the step of each image by its key, and whether it is hidden."""
    charts = [chart for chart in state["compareRunCharts"] if "imageKeys" in chart]
    return {key: (chart["step"], chart["deleted"]) for chart in charts for key in chart["imageKeys"]}


def test_images_of_all_runs_have_a_view_at_their_last_step_and_are_hidden_in_the_others(runs):
    for model, epochs in (("mnist_gan", 3), ("mnist_gan_short", 2)):
        runs.validate(model, {"test/frechet_distance": 600.0})
        runs.draw(model, "samples", epochs)
    runs.draw("mnist_gan", "worst_errors")
    assert shown_images(state(runs, IMAGES)) == {"worst_errors": (0, False), "samples": (3, False)}
    assert shown_images(state(runs, COSTS)) == {"worst_errors": (0, True), "samples": (0, True)}


def test_search_shows_the_newest_study_by_the_settings_that_differ(runs):
    runs.train("mnist_cnn", "accuracy", 0.9)
    for study, score in (("first", "accuracy"), ("second", "mean_squared_error")):
        for number, rate in enumerate((0.1, 0.2, 0.3)):
            runs.train(f"{study} {number}", score, rate, study=study, rate=rate)
        saved = state(runs, SEARCH)
        assert saved["searchFilter"] == f"tags.`penstock.study` = '{study}'"
        assert saved["selectedColumns"] == [f"metrics.`val/{score}`", "params.`training.optimizer.learning_rate`"]
        assert saved["orderByAsc"] is (score == "mean_squared_error")


def test_axes_of_the_search_are_settings_that_every_trial_has(runs):
    runs.train("trial 0", "accuracy", 0.9, study="optimizers", rate=0.1)
    runs.train("trial 1", "accuracy", 0.8, study="optimizers", rate=0.2, kind="sgd", momentum=0.9)
    saved = state(runs, SEARCH)
    (chart,) = (chart for chart in saved["compareRunCharts"] if chart["type"] == "PARALLEL")
    assert chart["selectedParams"] == ["training.optimizer.kind", "training.optimizer.learning_rate"]
    assert "params.`training.optimizer.momentum`" in saved["selectedColumns"]


def test_a_view_that_another_program_has_changed_stays(runs):
    runs.train("mnist_cnn", "accuracy", 0.9)
    changed = json.loads(views(runs)[CURVES])
    changed["updatedAt"] += 1
    write(runs, CURVES, json.dumps(changed))
    runs.train("mnist_autoencoder", "mean_squared_error", 0.1)
    assert json.loads(views(runs)[CURVES]) == changed


def test_a_tag_that_is_no_view_is_replaced(runs):
    runs.train("mnist_cnn", "accuracy", 0.9)
    before = state(runs, CURVES)
    for value in ("[]", "{}", '{"name": "x", "createdAt": 1, "updatedAt": 1, "state": "deflate;?"}'):
        write(runs, CURVES, value)
        runs.train(f"mnist_cnn {value}", "accuracy", 0.9)
        assert state(runs, CURVES) == before


def test_a_run_is_logged_although_mlflow_rejects_the_views(runs):
    too_many = {f"test/{token_hex(20)}": 1.0 for _ in range(900)}
    runs.validate("mnist_cnn", {"test/accuracy": 0.9} | too_many)
    assert not views(runs)
    (run,) = MlflowClient(runs.uri).search_runs([runs.find_experiment().experiment_id])
    assert run.data.metrics.keys() >= {"test/accuracy", *too_many}
    assert run.info.status == "FINISHED"


def test_an_unreachable_server_is_said(capsys):
    show_view_links("http://127.0.0.1:1", "http://127.0.0.1:1", ["iris"], browser=False)
    assert "the saved views are not known" in capsys.readouterr().err
