"""Tests of the HTML template of `dvc plots`."""

import shutil
import subprocess
import sys
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from ruamel.yaml import YAML

from penstock.core.paths import Project
from penstock.io.files import write_csv
from penstock.reporting import plots_page
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
# Marks of each plot; Vega groups them by type.
MARKS = """[...document.querySelectorAll("svg.marks")].map(
  svg => svg.querySelectorAll(".mark-line.role-mark path, .mark-rect.role-mark path").length
)"""


@pytest.fixture
def page(repository, tmp_path):
    """Return the page of `dvc plots show` in a project with one plot per template."""
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


def test_page_draws_every_plot_without_a_network(page):
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
    assert marks == [2, 100, 10, 20]  # two curves; a confusion matrix; one bar per class; two bars per class


def test_template_is_written_only_if_its_content_changes(tmp_path, monkeypatch):
    bundle = Mock(return_value="scripts")
    monkeypatch.setattr("vl_convert.javascript_bundle", bundle)
    project = Project(tmp_path)
    for _ in range(2):
        ensure_plots_page(project)
    assert bundle.call_count == 1
    monkeypatch.setattr(plots_page, "version", lambda package: "another")
    ensure_plots_page(project)
    assert bundle.call_count == 2
    project.plots_page.write_text("a file of an earlier version of Penstock")
    ensure_plots_page(project)
    assert "<script>scripts</script>" in project.plots_page.read_text()


def test_check_of_a_current_template_does_not_import_vl_convert(tmp_path):
    ensure_plots_page(Project(tmp_path))
    script = f"""
import sys
from pathlib import Path
from penstock.core.paths import Project
from penstock.reporting.plots_page import ensure_plots_page
ensure_plots_page(Project(Path({str(tmp_path)!r})))
print("vl_convert" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
