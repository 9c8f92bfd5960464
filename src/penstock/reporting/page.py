"""The page for people: one HTML file and its figures, nothing loaded from elsewhere."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from matplotlib.figure import Figure

from penstock.config import Config
from penstock.console import file_size
from penstock.files import read_json, write_text, written_whole
from penstock.project import Project
from penstock.reporting.figures import confusion_matrix, learning_curves
from penstock.reporting.results import Result


def write_page(project: Project, config: Config, results: list[Result]) -> Path:
    """Writes results/index.html and results/figures/, and returns the page's path."""
    data = {name: read_json(project.data_report(name)) for name in config.datasets}
    for result in results:
        classes = list(data[result.dataset]["splits"]["test"]["classes"])
        curves = learning_curves("", project.history(result.name))
        _save(curves, project.results / "figures" / f"{result.name}_learning_curves.png")
        matrix = confusion_matrix("", result.validation["confusion"], classes)
        _save(matrix, project.results / "figures" / f"{result.name}_confusion_matrix.png")
    environment = Environment(
        loader=PackageLoader("penstock.reporting", "."),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = project.results / "index.html"
    template = environment.get_template("page.html")
    write_text(page, template.render(results=results, data=data, config=config, file_size=file_size))
    return page


def _save(figure: Figure, path: Path) -> None:
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=144, metadata={"Software": None})
