"""Draw figures without a display. Most functions return a matplotlib figure for the caller to save."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from penstock.core.errors import MissingFileError
from penstock.io.files import read_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Validation scores whose best value is 1, and what 1 less the score is.
ERRORS = {
    "val/accuracy": "share of validation rows that is wrong",
    "val/r2": "share of variance that is not explained",
    "val/macro_f1": "1 - macro F1 of the validation rows",
}
TRAINING, VALIDATION, SECOND = "#94a3b8", "#0f766e", "#d97706"


History = list[dict[str, float]]
Examples = Mapping[str, NDArray[Any]]
Figures = dict[str, bytes]


def read_history(path: Path) -> History:
    """Read the rows of a history.csv.

    Raises:
        MissingFileError: The file is damaged.
    """
    try:
        return [{key: float(value) for key, value in row.items()} for row in read_table(path)]
    except ValueError:
        raise damaged(path) from None


def read_table(path: Path) -> list[dict[str, str]]:
    """Read the rows of a report in CSV.

    Raises:
        MissingFileError: The file has no rows, or one of another length than its header.
    """
    rows = read_csv(path)
    if not rows or any(None in row or None in row.values() for row in rows):
        raise damaged(path)
    return rows


def damaged(path: Path) -> MissingFileError:
    """Return the error of a report that is cut off, or has the marks of a merge conflict."""
    return MissingFileError(f"{path}: not the whole report; `git restore` or `dvc repro -f` brings it back")


def learning_curves(title: str, history: History) -> Figure:
    """Plot every training and validation metric per epoch.

    A marker shows the epoch whose weights are kept, the one with the lowest validation loss.
    """
    metrics = list(dict.fromkeys(key.partition("/")[2] for key in history[0] if "/" in key))
    figure = _empty((4.5 * len(metrics), 3.4))
    figure.suptitle(title, fontweight="bold")
    epochs = [row["epoch"] for row in history]
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        for split, label, colour in (("train", "training", TRAINING), ("val", "validation", VALIDATION)):
            if f"{split}/{metric}" in history[0]:
                axes.plot(epochs, [row[f"{split}/{metric}"] for row in history], color=colour, label=label)
        if {"val/loss", f"val/{metric}"} <= history[0].keys():
            best = min(history, key=lambda row: row["val/loss"])
            axes.plot(best["epoch"], best[f"val/{metric}"], "o", color=VALIDATION, label="kept")
        axes.set(xlabel="epoch", ylabel=metric.replace("_", " "))
        axes.locator_params(axis="x", integer=True)
        _plain(axes)
    figure.axes[0].legend(frameon=False)
    return figure


def all_learning_curves(histories: Mapping[str, History]) -> Figure:
    """Plot the validation error of every model that has a score up to 1, with one panel per dataset.

    The error is 1 less the score. The first word of a model's name is its dataset. A logarithmic axis separates curves
    with scores near 1.
    """
    scores = {name: found for name, history in histories.items() if (found := _best_at_1(history))}
    panels = list(dict.fromkeys(name.partition("_")[0] for name in scores)) or [""]
    figure = _empty((4.6 * len(panels), 4.2))
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        labels = []
        for name, score in scores.items():
            if name.partition("_")[0] == panel:
                history = histories[name]
                done = [row["epoch"] / len(history) for row in history]
                wrong = [max(1 - row[score], 1e-4) for row in history]
                axes.plot(done, wrong, label=name.partition("_")[2], linewidth=1.4)
                labels.append(ERRORS[score])
        axes.set(xlabel="share of the training", ylabel=" or ".join(dict.fromkeys(labels)), yscale="log")
        axes.set_title(panel, fontsize=10, fontweight="bold")
        if labels:
            axes.legend(frameon=False, fontsize=8)
        _plain(axes)
    return figure


def _best_at_1(history: History) -> str | None:
    """Return the first validation score of a history whose best value is 1."""
    return next((score for score in ERRORS if score in history[0]), None)


def evaluation_figures(per_class: Sequence[Mapping[str, Any]], examples: Examples, classes: Sequence[str]) -> Figures:
    """Draw all figures of a validated model.

    Args:
        per_class: Rows of per_class.csv.
        examples: Arrays of examples.npz.
        classes: Class names in the order of the labels.

    Returns:
        Image files by name.
    """
    files = {}
    if "predicted" in per_class[0]:
        files["confusion_matrix.png"] = png(confusion_matrix(_counts(per_class, classes), classes))
    if "label" in per_class[0]:
        files["label_scores.png"] = png(label_scores(per_class))
    if "prediction" in per_class[0]:
        files["predictions.png"] = png(predicted_against_actual(per_class))
    if "predicted" in examples and "images" in examples and len(examples["images"]):
        files["mistakes.png"] = png(mistakes(examples, classes))
    if "reconstructions" in examples:
        files["reconstructions.png"] = png(reconstructions(examples["images"], examples["reconstructions"]))
    if "samples" in examples:
        files["samples.png"] = png(grid(examples["images"], columns=16))
        files["samples_per_epoch.gif"] = animation(examples["samples"])
    return files


def predicted_against_actual(per_class: Sequence[Mapping[str, Any]]) -> Figure:
    """Plot predicted against actual numbers, and the residuals below, one column per target."""
    targets = points_of_targets(per_class)
    figure = _empty((3.8 * len(targets), 6.4))
    upper, lower = figure.subplots(2, len(targets), squeeze=False)
    for above, below, (target, points) in zip(upper, lower, targets.items(), strict=True):
        predicted, actual = points[:, 1], points[:, 0]
        ends = [points.min(), points.max()]
        above.plot(ends, ends, color=TRAINING, linewidth=1)
        above.scatter(actual, predicted, s=9, alpha=0.5, color=VALIDATION, linewidths=0)
        above.set(xlabel=f"{target}, actual", ylabel="predicted")
        below.axhline(0, color=TRAINING, linewidth=1)
        below.scatter(predicted, predicted - actual, s=9, alpha=0.5, color=VALIDATION, linewidths=0)
        below.set(xlabel=f"{target}, predicted", ylabel="residual")
        _plain(above)
        _plain(below)
    return figure


def points_of_targets(per_class: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Return the actual and the predicted numbers of each target, float64 [rows, 2], from per_class.csv."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in per_class:
        found.setdefault(row["target"], []).append((float(row["actual"]), float(row["prediction"])))
    return {target: np.array(points) for target, points in found.items()}


def label_scores(per_class: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw precision, recall and F1 score of each label as bars."""
    names, shown = [row["label"] for row in per_class], ("precision", "recall", "f1")
    figure = _empty((2.5 + 0.8 * len(names), 3.4))
    axes = figure.subplots()
    for number, (score, color) in enumerate(zip(shown, (TRAINING, SECOND, VALIDATION), strict=True)):
        places = np.arange(len(names)) + 0.27 * (number - 1)
        axes.bar(places, [float(row[score]) for row in per_class], 0.25, color=color, label=score)
    axes.set_xticks(range(len(names)), names, rotation=45 if max(map(len, names)) > 6 else 0, fontsize=8)
    axes.set(ylim=(0, 1))
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    _plain(axes)
    return figure


def _counts(per_class: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the confusion matrix, int64 [actual, predicted]. The CSV rows are in that order."""
    return np.array([int(row["count"]) for row in per_class]).reshape(len(classes), len(classes))


def mistakes(examples: Examples, classes: Sequence[str]) -> Figure:
    """Draw the wrong predictions with the highest confidence, titled with the actual and predicted class."""
    figure = grid(examples["images"], columns=8)
    for axes, label, predicted in zip(figure.axes, examples["labels"], examples["predicted"], strict=False):
        axes.set_title(f"{classes[label]} \N{RIGHTWARDS ARROW} {classes[predicted]}", fontsize=8, pad=2)
    return figure


def reconstructions(images: NDArray[np.uint8], given_back: NDArray[np.float32]) -> Figure:
    """Draw images in one row, and their reconstructions below.

    Args:
        images: uint8 [count, height, width].
        given_back: Reconstructions, float32 [count, height, width], 0..1.
    """
    return grid(np.concatenate([images / 255, given_back]), columns=len(images))


def grid(images: NDArray[Any], columns: int) -> Figure:
    """Draw images [count, height, width] in gray, or [count, height, width, 3], in a grid, row by row."""
    rows = -(-len(images) // columns)
    figure = _empty((0.6 * columns, 0.72 * rows))
    for number, axes in enumerate(np.ravel(figure.subplots(rows, columns, squeeze=False))):
        axes.axis("off")
        if number < len(images):
            axes.imshow(images[number], cmap="gray_r")
    return figure


def animation(frames: NDArray[np.uint8], scale: int = 2) -> bytes:
    """Draw a square grid of images per epoch as a GIF that pauses on the last frame.

    Args:
        frames: uint8 [epochs, count, height, width].
        scale: Enlargement factor.
    """
    pages = squares(frames, scale)
    file = io.BytesIO()
    durations = [400] * (len(pages) - 1) + [3000]
    pages[0].save(file, format="GIF", save_all=True, append_images=pages[1:], duration=durations, loop=0)
    return file.getvalue()


def squares(frames: NDArray[np.uint8], scale: int = 2) -> list[Image.Image]:
    """Draw a square grid of images for each epoch, black on white.

    Args:
        frames: uint8 [epochs, count, height, width].
        scale: Enlargement factor.
    """
    count, height, width = frames.shape[1:]
    edge = int(count**0.5)
    grids = frames.reshape(-1, edge, edge, height, width).swapaxes(2, 3).reshape(-1, edge * height, edge * width)
    return [Image.fromarray(255 - one).resize((edge * width * scale, edge * height * scale)) for one in grids]


def png(figure: Figure) -> bytes:
    """Render a figure as PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=144, metadata={"Software": None})
    return file.getvalue()


def confusion_matrix(counts: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Draw a confusion matrix. The color of a cell is its share of the row.

    Args:
        counts: int64 [actual, predicted].
        classes: Class names in the order of the labels.
    """
    figure = _empty((1.8 + 0.5 * len(classes), 1.6 + 0.45 * len(classes)))
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="GnBu", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=7, color=colour)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=45 if max(map(len, classes)) > 2 else 0, fontsize=8)
    axes.set_yticks(ticks, classes, fontsize=8)
    axes.set(xlabel="predicted", ylabel="actual")
    return figure


def _empty(size: tuple[float, float]) -> Figure:
    """Return an empty figure of a size in inches."""
    from matplotlib.figure import Figure  # this import takes a second; training avoids it

    return Figure(figsize=size, layout="constrained")


def _plain(axes: Any) -> None:  # noqa: ANN401  (matplotlib's Axes, untyped in parts)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
