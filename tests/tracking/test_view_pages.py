"""The saved views in a real browser, at the addresses that `penstock ui` prints."""

import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import REPOSITORY
from tests.helpers.processes import free_port, wait_until
from tests.serving.ui.browser import chromium
from tests.tracking.tracked_runs import TrackedRuns
from tests.tracking.view_screenshots import opened, take

pytestmark = pytest.mark.integration
# In the order of the page: with a browser, and without.
OPENING, PRINTING = (
    [f"{Path(sys.executable).parent}/penstock", *shlex.split(command, comments=True)]
    for command in re.findall(r"^penstock (ui.*)", (REPOSITORY / "docs/experiments.md").read_text(), re.MULTILINE)
)
COSTS = ("latency/batch_1_ms", "model/onnx_bytes", "time/train_seconds", "model/parameters")


@pytest.fixture(scope="module")
def project(repository, tmp_path_factory):
    """A project with runs of three models and a study, and a program that notes which page it opens."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(repository / name, folder)
    runs = TrackedRuns(folder)
    for model, score, value in (
        ("mnist_cnn_small", "accuracy", 0.98),
        ("mnist_cnn", "accuracy", 0.99),
        ("mnist_autoencoder", "mean_squared_error", 0.03),
    ):
        runs.train(model, score, value)
        runs.validate(model, {f"test/{score}": value})
    for model in ("mnist_cnn_small", "mnist_cnn"):
        runs.draw(model, "confusion_matrix")
    runs.draw("mnist_autoencoder", "samples", epochs=3)
    for number, rate in enumerate((0.1, 0.2, 0.3)):
        momentum = {"kind": "sgd", "momentum": 0.9} if number else {}
        runs.train(f"trial {number}", "accuracy", 0.5 + rate, study="rates", rate=rate, **momentum)
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {folder}/opened\n')
    browser.chmod(0o755)
    return folder


def environment(project, **changes):
    without = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return without | {"BROWSER": f"{project}/browser"} | changes


@contextmanager
def terminal():
    """Yield a terminal for the output of a program, and a function that returns what it shows."""
    reader, writer = pty.openpty()
    os.set_blocking(reader, False)
    shown = []

    def text():
        try:
            while chunk := os.read(reader, 10_000):
                shown.append(chunk.decode())
        except OSError:  # nothing more for now, or all programs have closed it
            pass
        return "".join(shown)

    yield writer, text
    os.close(reader)
    os.close(writer)


@pytest.fixture(scope="module")
def ui(project):
    """The addresses that `penstock ui` prints in a terminal, by the name of their view, while it runs."""
    command = [*OPENING, "--port", str(free_port())]
    with terminal() as (writer, text):
        process = subprocess.Popen(
            command,
            cwd=project,
            env=environment(project),
            stdout=writer,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_until((project / "opened").is_file)
            yield addresses(text())
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=30)


def addresses(text):
    return dict(re.findall(r"^ +mnist +(\S.*\S) +(http\S+)\s*$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def cards(page):
    return page.get_by_test_id("experiment-view-compare-runs-card")


def texts(page, role):
    """Return the texts of elements, line by line and from left to right."""
    read = "one => { const box = one.getBoundingClientRect(); return [box.y, box.x, one.innerText] }"
    found = page.get_by_role(role).evaluate_all(f"all => all.map({read})")
    return [text.splitlines()[-1] for _, _, text in sorted(found) if text]


def check_charts(page, section, titles):
    """Check that a section has these charts, and that each of them is drawn."""
    header = page.get_by_test_id("experiment-view-compare-runs-section-header").filter(has_text=section)
    expect(header).to_contain_text(f"({len(titles)})")
    for title in titles:
        card = cards(page).filter(has_text=title)
        expect(card.locator(".js-plotly-plot .trace").first).to_be_visible()


def test_it_prints_the_address_of_each_view_and_opens_the_first(project, ui):
    assert list(ui) == ["Leaderboard", "Learning curves", "Cost and quality", "Images", "Search"]
    assert (project / "opened").read_text().splitlines() == [ui["Leaderboard"]]


def test_views_of_a_running_server_are_printed_and_none_is_opened_if_not_wanted(project, ui):
    server = ui["Leaderboard"].partition("/#")[0]
    before = (project / "opened").read_text()
    with terminal() as (writer, text):
        elsewhere = environment(project, MLFLOW_TRACKING_URI=server)
        subprocess.run(PRINTING, cwd=project, env=elsewhere, stdout=writer, check=True)
        assert f"the runs are at {server}" in text()
        assert addresses(text()) == ui
    assert (project / "opened").read_text() == before


def test_leaderboard_is_a_table_of_models_sorted_by_score(browser, ui, tmp_path):
    with opened(browser, ui["Leaderboard"]) as page:
        expect(page.get_by_text("0.99", exact=True)).to_be_visible()
        shown = ["test/accuracy", "test/mean_squared_error", "gate", *COSTS, "network.kind"]
        assert [text for text in dict.fromkeys(texts(page, "columnheader")) if text in shown] == shown
        rows = ["mnist_cnn 0.99 - passed", "mnist_cnn_small 0.98 - passed", "mnist_autoencoder - 0.03 passed"]
        cells = " ".join(texts(page, "gridcell"))
        assert re.findall(r"mnist_\w+ [-\d.]+ [-\d.]+ \w+", re.sub(r"\d+ \w+ ago ", "", cells)) == rows
        take(page, tmp_path / "leaderboard.png")


def test_learning_curves_overlay_training_and_validation(browser, ui, tmp_path):
    with opened(browser, ui["Learning curves"], height=2000) as page:
        curves = ["train/loss vs val/loss", "train/accuracy vs val/accuracy"]
        curves += ["train/mean_squared_error vs val/mean_squared_error"]
        check_charts(page, "Training (solid), validation (dashed)", curves)
        check_charts(page, "Learning rate", ["learning_rate"])
        expect(cards(page)).to_have_count(len(curves) + 1)
        take(page, tmp_path / "curves.png")


def test_cost_and_quality_shows_scores_by_cost(browser, ui, tmp_path):
    with opened(browser, ui["Cost and quality"], height=2600) as page:
        for section, score in (("Accuracy", "test/accuracy"), ("Mean squared error", "test/mean_squared_error")):
            check_charts(page, section, [f"{cost} vs. {score}" for cost in COSTS])
        expect(cards(page)).to_have_count(2 * len(COSTS))
        take(page, tmp_path / "costs.png")


def test_images_of_runs_are_side_by_side_at_their_last_step(browser, ui):
    with opened(browser, ui["Images"], height=1800) as page:
        for key, images, step in (("confusion_matrix", 2, "0"), ("samples", 1, "3")):
            card = cards(page).filter(has_text=key)
            pictures = card.get_by_role("img")
            expect(pictures.first).to_be_visible()
            expect(pictures).to_have_count(images)
            widths = [one.evaluate("img => img.naturalWidth") for one in pictures.all()]
            assert widths == [256] * images  # the small copies that `log_image` writes
            expect(card.get_by_role("spinbutton")).to_have_value(step)
        expect(cards(page)).to_have_count(2)


def test_search_shows_trials_as_parallel_coordinates(browser, ui, tmp_path):
    with opened(browser, ui["Search"]) as page:
        check_charts(page, "By epoch", ["val/accuracy"])
        chart = cards(page).filter(has_text="Parallel Coordinates")
        for axis in ("training.optimizer.kind", "training.optimizer.learning_rate", "val/accuracy"):
            expect(chart).to_contain_text(axis)
        expect(chart.locator("canvas").first).to_be_visible()
        expect(page.get_by_role("gridcell").filter(has_text="trial")).to_have_count(3)
        take(page, tmp_path / "search.png")
