"""Write the report pages: results/index.html, and docs/models.md.

The HTML page is one file, and loads nothing: styles, scripts, charts and images are in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from penstock.config.params import Config
from penstock.core.console import file_size
from penstock.core.paths import Project
from penstock.io.files import read_json, write_bytes, write_text
from penstock.reporting.charts import interval_plot
from penstock.reporting.data_checks import data_checks
from penstock.reporting.figures import all_learning_curves, png, read_history
from penstock.reporting.measures import DOWN, measure, names
from penstock.reporting.results import Result
from penstock.reporting.template import environment
from penstock.reporting.tuned import TunedResult, tuned_results
from penstock.reporting.views import view_of

TASKS = {
    "classification": "Classifiers",
    "regression": "Regressions",
    "multilabel": "Multi-label classifiers",
    "reconstruction": "Autoencoders",
    "adversarial": "Generators",
}
EXPLAINED = {
    "classification": "The baseline is the accuracy of logistic regression on the same rows.",
    "regression": "The baseline is the error of ridge regression or of gradient boosting on the same rows.",
    "multilabel": "The baseline is the F1 score of logistic regression or of gradient boosting on the same rows.",
    "reconstruction": "The baseline is the error of as many principal components.",
    "adversarial": "Measured on the features of a reference classifier, CLASSIFIERS.",
}

WORST_ERRORS = {
    "classification": "The wrong answers of the highest confidence: actual → predicted class, confidence.",
    "regression": "The rows of the largest error: actual → predicted, error in standard deviations of the test rows.",
    "multilabel": "The wrong rows of the largest loss: actual → predicted labels, loss.",
    "reconstruction": "The images of the largest error, and below them their reconstructions: class, mean "
    "squared error.",
}

# In the section of each model only: tables of more columns need a wider screen.
NOT_IN_OVERVIEW = {"smallest_class_precision", "smallest_class_recall"}


class Group(NamedTuple):
    """The models of one task, as one table."""

    metrics: Sequence[str]
    datasets: Mapping[str, Sequence[Result]]
    """Models by dataset."""
    best: Mapping[str, Mapping[str, set[str]]]
    """Names of the best models by dataset and metric."""
    repeated: bool
    """Whether any model was trained on several seeds or folds."""


def write_page(project: Project, config: Config, results: Sequence[Result]) -> Path:
    """Write results/index.html, and return its path."""
    data = {name: read_json(project.data_report(name)) for name in config.datasets}
    classes = {name: list(report["splits"]["test"].get("classes", ())) for name, report in data.items()}
    tuned = tuned_results(project, config, results)
    page = project.results / "index.html"
    content = (
        environment()
        .get_template("page.html")
        .render(
            TASKS=TASKS,
            EXPLAINED=EXPLAINED,
            WORST_ERRORS=WORST_ERRORS,
            config=config,
            data=data,
            checks=data_checks(config, data),
            overview=_overview(results),
            tuned=tuned,
            untested=_untested(tuned),
            interval=_Intervals(tuned).draw,
            views=[view_of(result, classes[result.model.dataset]) for result in results],
        )
    )
    write_text(page, content)
    return page


def _overview(results: Sequence[Result]) -> dict[str, Group]:
    """Group the models by task and dataset; documented and tuned models of a dataset are in one group."""
    tasks = {task: [one for one in results if one.model.task == task] for task in TASKS}
    return {task: _group(members) for task, members in tasks.items() if members}


def _group(members: Sequence[Result]) -> Group:
    metrics = [name for name in names(one.validation["test"] for one in members) if name not in NOT_IN_OVERVIEW]
    datasets: dict[str, list[Result]] = {}
    for one in members:
        datasets.setdefault(one.model.dataset, []).append(one)
    best = {dataset: {name: _best(of, name) for name in metrics} for dataset, of in datasets.items()}
    return Group(metrics, datasets, best, any(one.repeated_text for one in members))


def _best(members: Sequence[Result], metric: str) -> set[str]:
    """Return the names of the best models; none where there is nothing to choose from."""
    values = {one.name: one.validation["test"][metric] for one in members if metric in one.validation["test"]}
    if len(values) < 2:
        return set()
    target = min(values.values()) if measure(metric).direction == DOWN else max(values.values())
    return {name for name, value in values.items() if value == target}


def _untested(tuned: Sequence[TunedResult]) -> dict[str, list[str]]:
    """Return the tuned models that are not tested, by the reason."""
    found: dict[str, list[str]] = {}
    for one in tuned:
        if not one.tested:
            found.setdefault(one.reason or "their task has no score per row", []).append(one.tuned.name)
    return found


class _Intervals:
    """Draw the intervals of one metric and dataset on a common scale.

    Args:
        tuned: The comparisons.
    """

    def __init__(self, tuned: Sequence[TunedResult]) -> None:
        self._reach: dict[tuple[str, str], float] = {}
        for one in tuned:
            if one.tested:
                ends = max(map(abs, one.score["interval"]))
                self._reach[self._scale(one)] = max(ends, self._reach.get(self._scale(one), 1e-12))

    def draw(self, one: TunedResult) -> Markup:
        score = one.score
        low, high = score["interval"]
        return interval_plot(low, score["difference"], high, self._reach[self._scale(one)])

    def _scale(self, one: TunedResult) -> tuple[str, str]:
        return one.tuned.model.dataset, one.score["score"]


def write_model_page(project: Project, config: Config, results: Sequence[Result]) -> Path:
    """Write docs/models.md and its figure from the reports and params.yaml, and return the path of the page."""
    histories = {result.name: read_history(result.files.history) for result in results}
    write_bytes(project.model_page.parent / "images" / "learning_curves.png", png(all_learning_curves(histories)))
    template = environment().get_template("models.md")
    write_text(project.model_page, template.render(results=results, config=config, file_size=file_size))
    return project.model_page
