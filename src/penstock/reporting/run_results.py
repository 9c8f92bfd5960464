"""Prepare the results of a validation for its run in MLflow: images, and tables."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from penstock.reporting.figures import Examples, evaluation_figures, squares
from penstock.reporting.pixels import shown
from penstock.tracking.image_names import CONFUSION_MATRIX, GENERATED, LABEL_SCORES, SAMPLES, WORST_ERRORS

Rows = Sequence[Mapping[str, Any]]
PNG = ".png"
KEYS = {"mistakes": WORST_ERRORS, "samples": GENERATED}  # names of figures that differ in MLflow
# Columns of images in the table of the worst errors, and their arrays in examples.npz.
ERROR_IMAGES = {"image": ("worst_images", "images"), "reconstruction": ("worst_reconstructions",)}


class RunImage(NamedTuple):
    """An image of a run."""

    key: str
    """Its name."""
    png: bytes
    step: int | None = None
    """Its epoch; None is the epoch whose weights were kept."""


def run_images(per_class: Rows, examples: Examples, classes: Sequence[str]) -> Iterator[RunImage]:
    """Draw the figures of a validated model, and what it generated after each epoch.

    Args:
        per_class: Rows of per_class.csv.
        examples: Arrays of examples.npz.
        classes: Class names in the order of the labels.
    """
    for name, content in evaluation_figures(per_class, examples, classes).items():
        if name.endswith(PNG):  # the animation has the same images as the samples of each epoch
            figure = name.removesuffix(PNG)
            yield RunImage(KEYS.get(figure, figure), content)
    if "samples" in examples:
        for epoch, grid in enumerate(squares(examples["samples"]), start=1):
            yield RunImage(SAMPLES, _png(grid), epoch)


def run_tables(report: Mapping[str, Any], per_class: Rows, examples: Examples) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of a validated model by name; a value of type bytes is a PNG image.

    Args:
        report: Content of validation.json.
        per_class: Rows of per_class.csv.
        examples: Arrays of examples.npz.
    """
    tables = {}
    if "predicted" in per_class[0]:
        tables[CONFUSION_MATRIX] = confusion_table(per_class)
    if "label" in per_class[0]:
        tables[LABEL_SCORES] = [dict(row) for row in per_class]
    if errors := report.get("worst_errors"):
        tables[WORST_ERRORS] = error_table(errors, examples)
    return tables


def confusion_table(per_class: Rows) -> list[dict[str, Any]]:
    """Return one row for each actual class, with the number of test rows for each predicted class."""
    table: dict[str, dict[str, Any]] = {}
    for row in per_class:
        table.setdefault(row["actual"], {"actual": row["actual"]})[f"predicted {row['predicted']}"] = int(row["count"])
    return list(table.values())


def error_table(errors: Rows, examples: Examples) -> list[dict[str, Any]]:
    """Return the worst errors of validation.json, each with its images if the inputs are images."""
    images = {
        column: examples[next(name for name in names if name in examples)]
        for column, names in ERROR_IMAGES.items()
        if any(name in examples for name in names)
    }
    return [
        _flat(error)
        | {column: _png(Image.fromarray(_bytes(of_column[number]))) for column, of_column in images.items()}
        for number, error in enumerate(errors)
    ]


def _flat(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error with the columns of its input as columns of their own."""
    columns: Mapping[str, Any] = error.get("columns", {})
    return {**{key: value for key, value in error.items() if key != "columns"}, **columns}


def _bytes(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image as it is shown, uint8, whether its pixels are bytes or 0..1."""
    pixels = image if image.dtype == np.uint8 else np.rint(image * 255).astype(np.uint8)
    return shown(pixels)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="png")
    return file.getvalue()
