"""Prepare the results of one model for the page: tables and charts, each from one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from penstock.reporting.charts import Series, bar_chart, line_chart, reliability_diagram, scatter_plot
from penstock.reporting.figures import History, damaged, points_of_targets, read_history, read_table
from penstock.reporting.measures import measure, shown
from penstock.reporting.mistakes import BehaviourTest, Mistake, Row, behaviour_tests, with_reconstructions, worst_errors
from penstock.reporting.pixels import data_uri, ink, tiled
from penstock.reporting.results import Result

SPLITS = {"train": "training", "val": "validation"}
SHOWN_SAMPLES = 10  # images of each epoch
SHOWN_EPOCHS = 5
LABEL_SCORES = {"precision": "train", "recall": "second", "f1": "val"}  # and their colors
MOST_BARS = 12  # labels


class ClassScore(NamedTuple):
    """Scores of a classifier for one class."""

    name: str
    precision: float
    recall: float
    f1: float
    rows: int


class Cell(NamedTuple):
    """One cell of a confusion matrix."""

    rows: int
    strength: int
    """Strength of its color, 0..100."""
    right: bool


class Slices(NamedTuple):
    """Scores of parts of the test split."""

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, int, Sequence[str]]]
    """Name, number of rows, and one score per column."""


class Picture(NamedTuple):
    """An image of the page."""

    title: str
    alt: str
    address: str
    width: int
    """Pixels of the page."""


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """What the page shows of one model."""

    result: Result
    curves: Sequence[Markup]
    class_scores: Sequence[ClassScore] = ()
    confusion: Sequence[tuple[str, Sequence[Cell]]] = ()
    """Rows of the confusion matrix by actual class."""
    by_class: Sequence[Row] = ()
    """Rows of per_class.csv of a model that is no classifier."""
    slices: Sequence[Slices] = ()
    reliability: Markup | None = None
    behaviour: Sequence[BehaviourTest] = ()
    mistakes: Sequence[Mistake] = ()
    pictures: Sequence[Picture] = field(default=())
    predictions: Sequence[Markup] = ()
    """Charts of a regression."""
    label_scores: Markup | None = None
    """Chart of a multi-label classifier."""


def view_of(result: Result, classes: Sequence[str]) -> ModelView:
    """Read the reports of a model, and its examples if they are here. Reports of older versions have fewer sections.

    Args:
        result: Results of the model.
        classes: Class names in the order of the labels.
    """
    rows, examples, validation = read_table(result.files.per_class), _examples(result), result.validation
    counts = _counts(result.files.per_class, rows, len(classes)) if "predicted" in rows[0] else None
    slices = [_slices(name, found) for name, found in validation.get("slices", {}).items() if found]
    return ModelView(
        result=result,
        curves=learning_curves(read_history(result.files.history)),
        class_scores=_class_scores(counts, classes) if counts is not None else (),
        confusion=_confusion(counts, classes) if counts is not None else (),
        by_class=_by_class(rows) if counts is None and not slices else (),
        slices=[one for one in slices if counts is None or one.title != "class"],
        reliability=_reliability(validation),
        behaviour=behaviour_tests(result, examples),
        mistakes=worst_errors(validation, examples, classes),
        pictures=_pictures(examples),
        predictions=_predictions(rows),
        label_scores=_label_scores(rows),
    )


def _predictions(rows: Sequence[Row]) -> list[Markup]:
    """Draw predicted against actual numbers of a regression, and the residuals, for each target."""
    if "prediction" not in rows[0]:
        return []
    return [
        chart
        for target, points in points_of_targets(rows).items()
        for chart in (
            scatter_plot(f"{target}, actual", "predicted", points.tolist(), "equal"),
            scatter_plot(f"{target}, predicted", "residual", _residuals(points).tolist(), "zero"),
        )
    ]


def _residuals(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.stack([points[:, 1], points[:, 1] - points[:, 0]], axis=1)


def _label_scores(rows: Sequence[Row]) -> Markup | None:
    """Draw the scores of the first labels of a multi-label classifier."""
    if "label" not in rows[0]:
        return None
    groups = [(row["label"], [float(row[score]) for score in LABEL_SCORES]) for row in rows[:MOST_BARS]]
    return bar_chart("score", groups, list(LABEL_SCORES.values()))


def _counts(path: Path, rows: Sequence[Row], classes: int) -> np.ndarray[Any, Any]:
    """Return the confusion matrix, int64 [actual, predicted]."""
    if len(rows) != classes**2:
        raise damaged(path)
    return np.array([int(row["count"]) for row in rows]).reshape(classes, classes)


def _examples(result: Result) -> dict[str, Any]:
    if not result.files.examples.is_file():
        return {}
    with np.load(result.files.examples, allow_pickle=False) as arrays:
        return dict(arrays)


def learning_curves(history: History) -> list[Markup]:
    """Draw one chart per metric of history.csv. A dot marks the epoch with the lowest validation loss."""
    metrics = dict.fromkeys(key.partition("/")[2] for key in history[0] if "/" in key)
    kept = min(history, key=lambda row: row["val/loss"]) if "val/loss" in history[0] else None
    return [
        line_chart(_curve_title(metric), "epoch", [_series(history, split, metric, kept) for split in splits])
        for metric in metrics
        if (splits := [split for split in SPLITS if f"{split}/{metric}" in history[0]])
    ]


def _curve_title(metric: str) -> str:
    return "loss" if metric == "loss" else measure(metric).label


def _series(history: History, split: str, metric: str, kept: dict[str, float] | None) -> Series:
    key = f"{split}/{metric}"
    points = [(row["epoch"], row[key]) for row in history]
    marked = (kept["epoch"], kept[key]) if kept and split == "val" else None
    return Series(SPLITS[split], points, split, marked)


def _class_scores(counts: np.ndarray[Any, Any], classes: Sequence[str]) -> list[ClassScore]:
    """Compute the scores of each class from the confusion matrix, int64 [actual, predicted]."""
    right, actual, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    precision, recall = (right / np.maximum(total, 1) for total in (predicted, actual))
    f1 = 2 * right / np.maximum(actual + predicted, 1)
    columns = zip(classes, precision.tolist(), recall.tolist(), f1.tolist(), actual.tolist(), strict=True)
    return [ClassScore(*row) for row in columns]


def _confusion(counts: np.ndarray[Any, Any], classes: Sequence[str]) -> list[tuple[str, list[Cell]]]:
    """Color each cell by its share of the row; the square root makes few mistakes visible."""
    shares = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    return [
        (name, [Cell(int(counts[row, to]), round(100 * shares[row, to]), row == to) for to in range(len(classes))])
        for row, name in enumerate(classes)
    ]


def _by_class(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return one row per class; a generator's has the shares among real and generated images."""
    if "class" not in rows[0]:  # a regression, or labels, which have slices
        return []
    if "images" not in rows[0]:
        return [{"class": row["class"], "MSE": f"{float(row['mean_squared_error']):.5f}"} for row in rows]
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row["class"], {"class": row["class"]})[row["images"]] = f"{float(row['share']):.3f}"
    return list(found.values())


def _slices(name: str, rows: Sequence[Row]) -> Slices:
    columns = [column for column in rows[0] if column not in ("slice", "rows")]
    cells = [(str(row["slice"]), int(row["rows"]), [shown(column, row[column]) for column in columns]) for row in rows]
    return Slices(name, [measure(column).label for column in columns], cells)


def _reliability(validation: Row) -> Markup | None:
    bins = [(one["confidence"], one["accuracy"], one["rows"]) for one in validation.get("reliability", ())]
    return reliability_diagram(bins) if bins else None


def _pictures(examples: Mapping[str, Any]) -> list[Picture]:
    found = []
    if "reconstructions" in examples:
        pairs = tiled(ink(with_reconstructions(examples["images"], examples["reconstructions"])))
        alt = f"{len(examples['images'])} test images, and below them their reconstructions"
        found.append(
            Picture("Test images (above) and their reconstructions (below)", alt, data_uri(pairs), 2 * pairs.shape[1])
        )
    if "samples" in examples:
        samples = examples["samples"]
        epochs = np.unique(np.linspace(0, len(samples) - 1, SHOWN_EPOCHS).round().astype(int))
        sheet = tiled(ink(samples[epochs][:, :SHOWN_SAMPLES]))
        named = ", ".join(str(epoch + 1) for epoch in epochs)
        title = f"Generated images, from the same noise after the epochs {named} (from above)"
        found.append(Picture(title, title, data_uri(sheet), 2 * sheet.shape[1]))
    return found
