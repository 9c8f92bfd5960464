"""Find the rows that two models answer differently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.comparison.candidate import Task
from penstock.comparison.rows import TestRows
from penstock.comparison.scores import label_losses, mean_absolute_errors, probability_of_label, squared_errors
from penstock.evaluation.session import Outputs

LONGEST_TEXT = 120
# Of rows without a label to disagree on.
MOST_ROWS = 100

Row = dict[str, Any]


def disagreements(task: Task, first: Outputs, second: Outputs, rows: TestRows) -> list[Row]:
    """Return the rows of disagreement, the most telling first.

    Classifiers: all rows with different answers, by the difference of the probabilities of the true class; of several
    labels, by the difference of the losses. Autoencoders and regressions: the `MOST_ROWS` rows with the largest
    difference of errors. Generators: none.
    """
    match task:
        case "classification":
            return _different_labels(first, second, rows)
        case "multilabel":
            return _different_label_sets(first, second, rows)
        case "reconstruction":
            return _different_errors(squared_errors, first, second, rows)
        case "regression":
            return _different_errors(mean_absolute_errors, first, second, rows)
        case "generation":
            return []


def _different_labels(first: Outputs, second: Outputs, rows: TestRows) -> list[Row]:
    different = np.flatnonzero(first["label"] != second["label"])
    gap = np.abs(probability_of_label(first, rows) - probability_of_label(second, rows))
    telling = different[np.argsort(-gap[different], kind="stable")]
    return [
        _described(rows, row) | {"a": _answer(first, rows, row), "b": _answer(second, rows, row)} for row in telling
    ]


def _answer(outputs: Outputs, rows: TestRows, row: int) -> Row:
    label = int(outputs["label"][row])
    probabilities = outputs["probabilities"][row]
    return {
        "label": rows.classes[label],
        "probability": _rounded(probabilities[label]),
        "probability_of_true_label": _rounded(probabilities[rows.labels[row]]),
    }


def _different_label_sets(first: Outputs, second: Outputs, rows: TestRows) -> list[Row]:
    different = np.flatnonzero((first["labels"] != second["labels"]).any(axis=1))
    one, other = label_losses(first, rows), label_losses(second, rows)
    telling = different[np.argsort(-np.abs(other - one)[different], kind="stable")]
    return [
        _described(rows, row)
        | {
            side: {"labels": rows.described(outputs["labels"][row]), "loss": _rounded(losses[row])}
            for side, outputs, losses in (("a", first, one), ("b", second, other))
        }
        for row in telling
    ]


def _different_errors(
    errors_of: Callable[[Outputs, TestRows], NDArray[np.float64]], first: Outputs, second: Outputs, rows: TestRows
) -> list[Row]:
    one, other = errors_of(first, rows), errors_of(second, rows)
    telling = np.argsort(-np.abs(other - one), kind="stable")[:MOST_ROWS]
    telling = telling[one[telling] != other[telling]]
    return [
        _described(rows, row) | {"a": _error(first, one, rows, row), "b": _error(second, other, rows, row)}
        for row in telling
    ]


def _error(outputs: Outputs, errors: NDArray[np.float64], rows: TestRows, row: int) -> Row:
    if "prediction" not in outputs:
        return {"mean_squared_error": _rounded(errors[row])}
    return {"prediction": rows.described(outputs["prediction"][row]), "mean_absolute_error": _rounded(errors[row])}


def _described(rows: TestRows, row: int) -> Row:
    found: Row = {
        "row": int(row),
        "source_row": int(rows.source_rows[row]),
        "label": rows.described(rows.labels[row]),
    }
    return found | ({"input": shown} if (shown := _shown(rows.inputs[row], rows.kind)) else {})


def _shown(value: Any, kind: str) -> str:  # noqa: ANN401  (a text, an array, or a row of a structured array)
    """Return an input as one short line; images have none."""
    match kind:
        case "text":
            return _cut(" ".join(str(value).split()))
        case "table":
            return ", ".join(f"{number:g}" for number in np.ravel(value))
        case "columns":
            return _cut(", ".join(f"{name} {_cell(value[name])}" for name in value.dtype.names))
        case _:
            return ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def _cell(value: Any) -> str:  # noqa: ANN401  (a text, or a number of NumPy)
    text = value if isinstance(value, str) else f"{value:g}"
    return "-" if text in ("", "nan") else text


def _rounded(value: float) -> float:
    return round(float(np.nan_to_num(value)), 6)
