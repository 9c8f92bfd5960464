"""Figures, drawn without a display; each returns a matplotlib figure and leaves saving to the caller."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

TRAINING, VALIDATION = "#94a3b8", "#0f766e"


def learning_curves(title: str, history: Path) -> Figure:
    """Loss and accuracy per epoch out of a history.csv, with the chosen epoch marked."""
    with history.open(encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    best = min(rows, key=lambda row: row["validation_loss"])
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    figure.suptitle(title, fontweight="bold")
    for axes, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        epochs = [row["epoch"] for row in rows]
        for part, colour in (("train", TRAINING), ("validation", VALIDATION)):
            label = "training" if part == "train" else part
            axes.plot(epochs, [row[f"{part}_{quantity}"] for row in rows], color=colour, label=label)
        axes.plot(best["epoch"], best[f"validation_{quantity}"], "o", color=VALIDATION, label="kept")
        axes.set(xlabel="epoch", ylabel=quantity)
        axes.xaxis.get_major_locator().set_params(integer=True)
        _plain(axes)
    figure.axes[0].legend(frameon=False)
    return figure


def confusion_matrix(title: str, confusion: list[list[int]], classes: Sequence[str]) -> Figure:
    """How often each true class (rows) was answered as each class; the colour is the share of the row."""
    counts = np.array(confusion)
    figure = Figure(figsize=(1.8 + 0.5 * len(classes), 1.6 + 0.45 * len(classes)), layout="constrained")
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


def _plain(axes: Any) -> None:  # noqa: ANN401  (matplotlib's Axes, untyped in parts)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
