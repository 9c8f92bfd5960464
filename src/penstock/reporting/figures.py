"""Figures, drawn without a display; each returns a matplotlib figure and leaves saving to the caller."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAINING, VALIDATION = "#94a3b8", "#0f766e"


History = list[dict[str, float]]
Examples = Mapping[str, NDArray[Any]]


def read_history(path: Path) -> History:
    """The rows of a history.csv."""
    with path.open(encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def learning_curves(title: str, history: History) -> Figure:
    """Every figure of training and validation per epoch; the chosen epoch is marked where a loss chose it."""
    figures = list(
        dict.fromkeys(key.partition("_")[2] for key in history[0] if key.startswith(("train_", "validation_")))
    )
    figure = _empty((4.5 * len(figures), 3.4))
    figure.suptitle(title, fontweight="bold")
    epochs = [row["epoch"] for row in history]
    for axes, quantity in zip(figure.subplots(1, len(figures), squeeze=False)[0], figures, strict=True):
        for part, colour in (("train", TRAINING), ("validation", VALIDATION)):
            if f"{part}_{quantity}" in history[0]:
                label = "training" if part == "train" else part
                axes.plot(epochs, [row[f"{part}_{quantity}"] for row in history], color=colour, label=label)
        if "validation_loss" in history[0]:
            best = min(history, key=lambda row: row["validation_loss"])
            axes.plot(best["epoch"], best[f"validation_{quantity}"], "o", color=VALIDATION, label="kept")
        axes.set(xlabel="epoch", ylabel=quantity.replace("_", " "))
        axes.locator_params(axis="x", integer=True)
        _plain(axes)
    figure.axes[0].legend(frameon=False)
    return figure


def all_learning_curves(histories: Mapping[str, History]) -> Figure:
    """Every classifier's validation accuracy over its own training, one panel for each dataset (the name's first
    word); what would crowd the top is drawn apart by the shares that are wrong, on a logarithmic scale."""
    panels = list(dict.fromkeys(name.partition("_")[0] for name in histories))
    figure = _empty((4.6 * len(panels), 4.2))
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name, history in histories.items():
            if name.partition("_")[0] == panel:
                done = [row["epoch"] / len(history) for row in history]
                wrong = [max(1 - row["validation_accuracy"], 1e-4) for row in history]
                axes.plot(done, wrong, label=name.partition("_")[2], linewidth=1.4)
        axes.set(xlabel="share of the training", ylabel="share of validation rows that is wrong", yscale="log")
        axes.set_title(panel, fontsize=10, fontweight="bold")
        axes.legend(frameon=False, fontsize=8)
        _plain(axes)
    return figure


def figures_of(report: Mapping[str, Any], examples: Examples, classes: Sequence[str]) -> dict[str, bytes]:
    """What there is to look at of a validated model, as image files by name.

    Args:
        report: validation.json; examples: examples.npz; classes: names, in the order of the labels.
    """
    files = {}
    if "confusion" in report:
        files["confusion_matrix.png"] = png(confusion_matrix("", report["confusion"], classes))
    if "answered" in examples and "images" in examples and len(examples["images"]):
        files["mistakes.png"] = png(mistakes(examples, classes))
    if "reconstructions" in examples:
        files["reconstructions.png"] = png(reconstructions(examples["images"], examples["reconstructions"]))
    if "samples" in examples:
        files["samples.png"] = png(grid(examples["images"], columns=16))
        files["samples_per_epoch.gif"] = animation(examples["samples"])
    return files


def mistakes(examples: Examples, classes: Sequence[str]) -> Figure:
    """The wrong answers that were given with the most confidence: true class, answered class."""
    figure = grid(examples["images"], columns=8)
    for axes, label, answered in zip(figure.axes, examples["labels"], examples["answered"], strict=False):
        axes.set_title(f"{classes[label]} \N{RIGHTWARDS ARROW} {classes[answered]}", fontsize=8, pad=2)
    return figure


def reconstructions(images: NDArray[np.uint8], given_back: NDArray[np.float32]) -> Figure:
    """Images above what became of them."""
    return grid(np.concatenate([images / 255, given_back]), columns=len(images))


def grid(images: NDArray[Any], columns: int) -> Figure:
    """Grey images [count, height, width], row by row."""
    rows = -(-len(images) // columns)
    figure = _empty((0.6 * columns, 0.72 * rows))
    for number, axes in enumerate(np.ravel(figure.subplots(rows, columns, squeeze=False))):
        axes.axis("off")
        if number < len(images):
            axes.imshow(images[number], cmap="gray_r")
    return figure


def animation(frames: NDArray[np.uint8], scale: int = 2) -> bytes:
    """A square of images for each epoch [epochs, count, height, width], as a GIF that rests on the last."""
    count, height, width = frames.shape[1:]
    edge = int(count**0.5)
    squares = frames.reshape(-1, edge, edge, height, width).swapaxes(2, 3).reshape(-1, edge * height, edge * width)
    pages = [Image.fromarray(255 - square).resize((edge * width * scale, edge * height * scale)) for square in squares]
    file = io.BytesIO()
    durations = [400] * (len(pages) - 1) + [3000]
    pages[0].save(file, format="GIF", save_all=True, append_images=pages[1:], duration=durations, loop=0)
    return file.getvalue()


def png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=144, metadata={"Software": None})
    return file.getvalue()


def confusion_matrix(title: str, confusion: list[list[int]], classes: Sequence[str]) -> Figure:
    """How often each true class (rows) was answered as each class; the colour is the share of the row."""
    counts = np.array(confusion)
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
    axes.set(xlabel="answered", ylabel="true")
    axes.set_title(title, fontsize=10, fontweight="bold")
    return figure


def _empty(size: tuple[float, float]) -> Figure:
    """Of so many inches."""
    from matplotlib.figure import Figure  # a second that training need not wait for

    return Figure(figsize=size, layout="constrained")


def _plain(axes: Any) -> None:  # noqa: ANN401  (matplotlib's Axes, untyped in parts)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
