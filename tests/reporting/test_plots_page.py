"""The page of `dvc plots` shows every template without a network."""

import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from penstock.core.paths import Project
from penstock.io.files import write_csv
from penstock.reporting.plots_page import ensure_plots_page
from penstock.tasks.classification.evaluation import confusion
from tests.serving.ui.browser import PATIENCE_MS, chromium

DIGITS = [str(digit) for digit in range(10)]
CURVES = [{"epoch": epoch, "train/loss": 1 / epoch, "val/loss": 1.1 / epoch} for epoch in (1, 2, 3)]
PLOTS: dict[str, list[dict[str, Any]]] = {
    "learning_curves": CURVES,
    "classification": confusion(np.arange(10), np.arange(10), DIGITS),
    "reconstruction": [{"class": digit, "mean_squared_error": 0.01} for digit in DIGITS],
    "adversarial": [
        {"class": digit, "images": kind, "share": 0.1} for kind in ("real", "generated") for digit in DIGITS
    ],
}
# Of each plot: Vega groups what it draws by the kind of mark.
MARKS = """[...document.querySelectorAll("svg.marks")].map(
  svg => svg.querySelectorAll(".mark-line.role-mark path, .mark-rect.role-mark path").length
)"""


@pytest.fixture
def page(repository, tmp_path):
    """The page of `dvc plots show` in a project of one plot for each template."""
    shutil.copytree(
        repository / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local")
    )
    for name, rows in PLOTS.items():
        write_csv(tmp_path / f"{name}.csv", rows)
    (tmp_path / "params.yaml").touch()
    plots = [{f"{name}.csv": {"template": name, "x": next(iter(rows[0]))}} for name, rows in PLOTS.items()]
    with (tmp_path / "dvc.yaml").open("w") as file:
        YAML().dump({"plots": plots}, file)
    ensure_plots_page(Project(tmp_path))
    for command in (["config", "--local", "core.no_scm", "true"], ["plots", "show", "--out", "plots"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, check=True)
    return tmp_path / "plots" / "index.html"


def test_every_plot_is_drawn_and_nothing_is_loaded(page):
    with chromium() as browser:
        tab = browser.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        requests, errors = [], []
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(page.as_uri())
        tab.wait_for_function(f"document.querySelectorAll('svg.marks').length == {len(PLOTS)}")
        marks = tab.evaluate(MARKS)
    assert requests == [page.as_uri()]
    assert not errors
    assert marks == [2, 100, 10, 20]  # two curves; a confusion matrix; a bar for each class; two bars for each class
