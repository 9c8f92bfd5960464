"""Find the rows that two models answer differently."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.comparison.candidate import Task
from penstock.comparison.rows import TestRows
from penstock.comparison.scores import SCORES, probability_of_label
from penstock.evaluation.session import Outputs

LONGEST_TEXT = 120
# Of rows without a label to disagree on.
MOST_ROWS = 100

Row = dict[str, Any]


def disagreements(task: Task, first: Outputs, second: Outputs, rows: TestRows) -> list[Row]:
    """Return the rows of disagreement, the most telling first.

    Classifiers: all rows with different answers, by the difference of the probabilities of the true class.
    Autoencoders: the `MOST_ROWS` rows with the largest difference of errors. Generators: none.
    """
    match task:
        case "classification":
            return _different_labels(first, second, rows)
        case "reconstruction":
            return _different_errors(first, second, rows)
        case _:
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


def _different_errors(first: Outputs, second: Outputs, rows: TestRows) -> list[Row]:
    (score,) = SCORES["reconstruction"]
    one, other = score.of_rows(first, rows), score.of_rows(second, rows)
    telling = np.argsort(-np.abs(other - one), kind="stable")[:MOST_ROWS]
    telling = telling[one[telling] != other[telling]]
    return [
        _described(rows, row) | {"a": {score.name: _rounded(one[row])}, "b": {score.name: _rounded(other[row])}}
        for row in telling
    ]


def _described(rows: TestRows, row: int) -> Row:
    found: Row = {
        "row": int(row),
        "source_row": int(rows.source_rows[row]),
        "label": rows.classes[int(rows.labels[row])],
    }
    return found | ({"input": shown} if (shown := _shown(rows.inputs[row], rows.kind)) else {})


def _shown(value: str | NDArray[Any], kind: str) -> str:
    """Return an input as one short line; images have none."""
    if kind == "text":
        text = " ".join(str(value).split())
        return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
    return ", ".join(f"{number:g}" for number in np.ravel(value)) if kind == "table" else ""


def _rounded(value: float) -> float:
    return round(float(np.nan_to_num(value)), 6)
