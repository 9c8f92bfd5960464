"""Write the report pages: one HTML file with its figures, and docs/models.md.

The HTML file loads nothing from other hosts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from penstock.config.params import Config
from penstock.core.console import file_size
from penstock.core.paths import Project
from penstock.io.files import read_csv, read_json, write_bytes, write_text
from penstock.reporting.figures import all_learning_curves, evaluation_figures, learning_curves, png, read_history
from penstock.reporting.results import Result


def write_page(project: Project, config: Config, results: list[Result]) -> Path:
    """Write results/index.html and results/figures/, and return the path of the page."""
    data = {name: read_json(project.data_report(name)) for name in config.datasets}
    figures = {}
    for result in results:
        classes = list(data[result.model.dataset]["splits"]["test"]["classes"])
        files = {"learning_curves.png": png(learning_curves("", read_history(result.files.history)))}
        if result.files.examples.is_file():
            with np.load(result.files.examples) as examples:
                files |= evaluation_figures(read_csv(result.files.per_class), dict(examples), classes)
        figures[result.name] = [f"figures/{result.name}_{name}" for name in files]
        for path, content in zip(figures[result.name], files.values(), strict=True):
            write_bytes(project.results / path, content)
    page = project.results / "index.html"
    text = (
        _environment()
        .get_template("page.html")
        .render(results=results, figures=figures, data=data, config=config, file_size=file_size)
    )
    write_text(page, text)
    return page


def write_model_page(project: Project, config: Config, results: list[Result]) -> Path:
    """Write docs/models.md and its figure from the reports and params.yaml, and return the path of the page."""
    histories = {result.name: read_history(result.files.history) for result in results}
    scored = {name: history for name, history in histories.items() if "val/accuracy" in history[0]}
    write_bytes(project.model_page.parent / "images" / "learning_curves.png", png(all_learning_curves(scored)))
    template = _environment().get_template("models.md")
    write_text(project.model_page, template.render(results=results, config=config, file_size=file_size))
    return project.model_page


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("penstock.reporting", "."),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
