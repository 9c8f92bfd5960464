"""Define the saved views that each experiment has in the MLflow UI."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
from penstock.tracking.tags import GATE, ONNX_SHA256
from penstock.tracking.view_state import State, bar, charts, encode, line, rows, scatter

TAG = "mlflow.sharedViewState."
COSTS = (LATENCY, ONNX_BYTES, TRAIN_SECONDS, PARAMETERS)
# Folds and seeds, which are child runs, have neither an ONNX file nor a learning rate.
VALIDATED = f"tags.`{ONNX_SHA256}` != ''"
TRAINED = f"metrics.`{LEARNING_RATE}` >= 0"
SETTINGS = ("network.kind", "training.optimizer.kind", "training.optimizer.learning_rate", "training.epochs")


@dataclass(frozen=True, kw_only=True)
class View:
    """A saved view of an experiment."""

    key: str
    """Part of its address. It never changes, so that links stay valid."""
    name: str
    """Name in the menu Views of the page."""
    as_charts: bool
    """Whether it opens with its charts, and not with the table."""
    state: Mapping[str, Any]
    """Columns, order, filter and charts; see `view_state`."""

    @property
    def tag(self) -> str:
        """Name of the experiment's tag."""
        return f"{TAG}{self.key}"

    def value(self, now: int) -> str:
        """Return the value of the experiment's tag.

        Args:
            now: Time in milliseconds since 1970.
        """
        return json.dumps({"name": self.name, "createdAt": now, "updatedAt": now, "state": encode(self.state)})

    def route(self, experiment_id: str) -> str:
        """Return its address in the page, which follows the `#` of the URL."""
        mode = "&compareRunsMode=CHART" if self.as_charts else ""
        return f"/experiments/{experiment_id}/runs?viewStateShareKey={self.key}{mode}"


def views_of(metrics: Collection[str]) -> list[View]:
    """Return the views of an experiment whose runs have these metrics. A view without content is left out."""
    views = [build(metrics) for build in (_leaderboard, _learning_curves, _cost_and_quality)]
    return [view for view in views if view is not None]


def _leaderboard(metrics: Collection[str]) -> View | None:
    scores = [score for score in SCORES if score.test in metrics]
    if not scores:
        return None
    tests = [_metric(score.test) for score in scores]
    others = [_metric(name) for name in (TEST_LOSS, *COSTS) if name in metrics]
    settings = [f"params.`{name}`" for name in SETTINGS]
    state = _ranked([*tests, f"tags.`{GATE}`", *others, *settings, "attributes.`Models`"], scores[0])
    state |= charts({"Test score": [bar(score.title, score.test) for score in scores]}, metrics)
    return View(key="penstock-leaderboard", name="Leaderboard", as_charts=False, state=state)


def _learning_curves(metrics: Collection[str]) -> View | None:
    if LEARNING_RATE not in metrics:
        return None
    curves = {
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
    state |= charts(sections, metrics)
    return View(key="penstock-learning-curves", name="Learning curves", as_charts=True, state=state)


def _cost_and_quality(metrics: Collection[str]) -> View | None:
    costs = [name for name in COSTS if name in metrics]
    scores = [score for score in SCORES if score.test in metrics]
    if not costs or not scores:
        return None
    sections = {score.title: [scatter(cost, score.test) for cost in costs] for score in scores}
    columns = [_metric(name) for name in (*(score.test for score in scores), *costs)]
    state = _ranked(columns, scores[0]) | charts(sections, metrics)
    return View(key="penstock-cost-and-quality", name="Cost and quality", as_charts=True, state=state)


def _ranked(columns: Sequence[str], score: Score) -> State:
    """Return the part of a state that sorts the validated models by a score, the best first."""
    return rows(_widths(columns), _metric(score.test), ascending=not score.higher_is_better, only_where=VALIDATED)


def _widths(columns: Sequence[str]) -> dict[str, int]:
    """Return the width of each column, in pixels, that shows its name and the sign of its order."""
    return {column: 45 + 6 * len(column.split("`")[1]) for column in columns}


def _metric(name: str) -> str:
    return f"metrics.`{name}`"
