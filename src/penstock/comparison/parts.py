"""Divide the scores of two models by class, by label, or by the size of the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from penstock.comparison.candidate import Task
from penstock.comparison.rows import TestRows
from penstock.comparison.scores import absolute_errors, is_right, squared_errors
from penstock.evaluation.session import Outputs
from penstock.evaluation.slices import quarters

Values = dict[str, NDArray[Any]]
"""Values of the rows of each part, bool or float64 [rows of the part]."""


@dataclass(frozen=True)
class Parts:
    """Parts of the test rows, each of which is tested by itself."""

    kind: str
    """What a part is called."""
    score: str
    """What the mean over the rows of a part is called."""
    of: Callable[[Outputs, TestRows], Values]
    """Function to the values of each part, by its name."""


def _of_each_class(of_rows: Callable[[Outputs, TestRows], NDArray[Any]]) -> Callable[[Outputs, TestRows], Values]:
    def divide(outputs: Outputs, rows: TestRows) -> Values:
        values = of_rows(outputs, rows)
        return {
            name: values[rows.labels == number]
            for number, name in enumerate(rows.classes)
            if (rows.labels == number).any()
        }

    return divide


def _by_label(outputs: Outputs, rows: TestRows) -> Values:
    """Return for every row whether each label is right."""
    right = outputs["labels"] == rows.labels
    return {name: right[:, number] for number, name in enumerate(rows.classes)}


def _by_target(outputs: Outputs, rows: TestRows) -> Values:
    """Return the absolute errors of each target, or of the rows in each quarter of the only one."""
    errors = absolute_errors(outputs, rows)
    if len(rows.targets) > 1:
        return {name: errors[:, number] for number, name in enumerate(rows.targets)}
    return {name: errors[part, 0] for name, part in quarters(rows.labels[:, 0])}


# A generator has no score per row; `penstock.comparison.generators` counts its classes.
PARTS: dict[Task, Parts] = {
    "classification": Parts("class", "recall", _of_each_class(is_right)),
    "reconstruction": Parts("class", "mean squared error", _of_each_class(squared_errors)),
    "multilabel": Parts("label", "share of right answers", _by_label),
    "regression": Parts("target", "mean absolute error", _by_target),
    "generation": Parts("class", "share", lambda _outputs, _rows: {}),
}
