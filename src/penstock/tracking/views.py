"""Define the saved views that each experiment has in the MLflow UI."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.tracking.image_names import IMAGES
from penstock.tracking.metric_names import (
    DISCRIMINATOR_LOSS,
    FAKE_OUTPUT,
    GENERATOR_LOSS,
    LATENCY,
    LEARNING_RATE,
    ONNX_BYTES,
    PARAMETERS,
    REAL_OUTPUT,
    SCORES,
    TEST_LOSS,
    TRAIN_LOSS,
    TRAIN_SECONDS,
    VAL_LOSS,
    Score,
)
from penstock.tracking.tags import GATE, ONNX_SHA256, STUDY
from penstock.tracking.view_state import State, bar, charts, image, line, parallel, rows, scatter

COSTS = (LATENCY, ONNX_BYTES, TRAIN_SECONDS, PARAMETERS)
# Folds and seeds, which are child runs, have neither an ONNX file nor a learning rate.
VALIDATED = f"tags.`{ONNX_SHA256}` != ''"
TRAINED = f"metrics.`{LEARNING_RATE}` >= 0"
IMAGE_HEIGHT = 600  # of a chart, in pixels
SETTINGS = ("network.kind", "training.optimizer.kind", "training.optimizer.learning_rate", "training.epochs")


@dataclass(frozen=True)
class Study:
    """A search over settings; its trials have the tag `penstock.study`."""

    name: str
    parameters: Collection[str]
    """Parameters that differ between its trials."""
    shared_parameters: Collection[str]
    """Those of them that every trial has, unlike the momentum of one kind of optimizer."""
    metrics: Collection[str]
    """Metrics of its trials."""


@dataclass(frozen=True)
class Content:
    """What the runs of an experiment have logged."""

    metrics: Collection[str]
    study: Study | None = None
    """The newest study, if there is one."""
    images: Mapping[str, int] = field(default_factory=dict)
    """The last step of each image, by its key."""

    @property
    def names(self) -> tuple[Collection[str], Collection[str]]:
        """Names of all metrics, and keys of all images."""
        return self.metrics, self.images


@dataclass(frozen=True)
class View:
    """A saved view that each experiment has."""

    key: str
    """Part of its address. It never changes, so that links stay valid."""
    name: str
    """Name in the menu Views of the page."""
    state_of: Callable[[Content], State | None]
    """Return its state for an experiment; None if there is nothing to show."""
    as_charts: bool = True
    """Whether it opens with its charts, and not with the table."""

    @property
    def tag(self) -> str:
        """Name of the experiment's tag."""
        return f"mlflow.sharedViewState.{self.key}"

    def route(self, experiment_id: str) -> str:
        """Return its address in the page, which follows the `#` of the URL."""
        mode = "&compareRunsMode=CHART" if self.as_charts else ""
        return f"/experiments/{experiment_id}/runs?viewStateShareKey={self.key}{mode}&workflowType=machine_learning"


def _leaderboard(content: Content) -> State | None:
    metrics = content.metrics
    scores = [score for score in SCORES if score.test in metrics]
    if not scores:
        return None
    tests = [_metric(score.test) for score in scores]
    others = [_metric(name) for name in (TEST_LOSS, *COSTS) if name in metrics]
    settings = map(_parameter, SETTINGS)
    state = _ranked([*tests, f"tags.`{GATE}`", *others, *settings, "attributes.`Models`"], scores[0])
    return state | charts({"Test score": [bar(score.title, score.test) for score in scores]}, *content.names)


def _learning_curves(content: Content) -> State | None:
    metrics = content.metrics
    if LEARNING_RATE not in metrics:
        return None
    curves: dict[str, list[tuple[str, ...]]] = {
        "Training (solid), validation (dashed)": [
            (TRAIN_LOSS, VAL_LOSS),
            *((score.training, score.validation) for score in SCORES),
        ],
        "Adversarial training": [(GENERATOR_LOSS, DISCRIMINATOR_LOSS), (REAL_OUTPUT, FAKE_OUTPUT)],
        "Learning rate": [(LEARNING_RATE,)],
    }
    found = {title: [names for names in lines if set(names) & set(metrics)] for title, lines in curves.items()}
    sections = {title: [line(names) for names in lines] for title, lines in found.items() if lines}
    columns = [_metric(name) for lines in found.values() for names in lines for name in names if name in metrics]
    state = rows(_widths(columns), "attributes.start_time", ascending=False, only_where=TRAINED)
    return state | charts(sections, *content.names)


def _cost_and_quality(content: Content) -> State | None:
    metrics = content.metrics
    costs = [name for name in COSTS if name in metrics]
    scores = [score for score in SCORES if score.test in metrics]
    if not costs or not scores:
        return None
    sections = {score.title: [scatter(cost, score.test) for cost in costs] for score in scores}
    columns = [_metric(name) for name in (*(score.test for score in scores), *costs)]
    return _ranked(columns, scores[0]) | charts(sections, *content.names)


def _search(content: Content) -> State | None:
    """Return the state of a view of the newest study, as parallel coordinates; its score is that of validation."""
    study = content.study
    if study is None or not study.parameters:
        return None
    found = [score for score in SCORES if score.validation in study.metrics]
    score, ascending = (found[0].validation, not found[0].higher_is_better) if found else (VAL_LOSS, True)
    columns = [_metric(score), *map(_parameter, study.parameters)]
    state = rows(_widths(columns), _metric(score), ascending=ascending, only_where=f"tags.`{STUDY}` = '{study.name}'")
    # MLflow leaves out a run that has no value on one of the axes.
    axes = study.shared_parameters
    trials = {f"Trials of {study.name}": [parallel(axes, score)] if axes else [], "By epoch": [line([score])]}
    return state | charts(trials, *content.names)


def _images(content: Content) -> State | None:
    """Return the state of a view of all images, each at its last step, of the best model first."""
    scores = [score for score in SCORES if score.test in content.metrics]
    if not content.images or not scores:
        return None
    known = [key for key in IMAGES if key in content.images]
    keys = [*known, *sorted(set(content.images) - set(known))]
    sections = {key.replace("_", " ").capitalize(): [image(key, content.images[key])] for key in keys}
    columns = [_metric(score.test) for score in scores]
    return _ranked(columns, scores[0]) | charts(sections, *content.names, height=IMAGE_HEIGHT)


def _ranked(columns: Sequence[str], score: Score) -> State:
    """Return the part of a state that sorts the validated models by a score, the best first."""
    return rows(_widths(columns), _metric(score.test), ascending=not score.higher_is_better, only_where=VALIDATED)


def _widths(columns: Sequence[str]) -> dict[str, int]:
    """Return the width of each column, in pixels, that shows its name and the sign of its order."""
    return {column: 55 + 6 * len(column.split("`")[1]) for column in columns}


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _parameter(name: str) -> str:
    return f"params.`{name}`"


VIEWS = (
    View("penstock-leaderboard", "Leaderboard", _leaderboard, as_charts=False),
    View("penstock-learning-curves", "Learning curves", _learning_curves),
    View("penstock-cost-and-quality", "Cost and quality", _cost_and_quality),
    View("penstock-images", "Images", _images),
    View("penstock-search", "Search", _search),
)
