"""Score the answers of a model, one value per test row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.comparison.candidate import Task
from penstock.comparison.paired_tests import PairedTest, compare_functions, compare_values
from penstock.comparison.rows import TestRows
from penstock.evaluation.label_metrics import losses_of_rows
from penstock.evaluation.session import Outputs


@dataclass(frozen=True)
class Score:
    """A metric that is the mean of one value per row, or a function of such means."""

    name: str
    """As in validation.json and, after `test/`, in MLflow."""
    higher_is_better: bool
    of_rows: Callable[[Outputs, TestRows], NDArray[Any]]
    """Function to the values, float64 or bool [rows]; [rows, ...] with `of_means`."""
    of_means: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None
    """Function of the mean values [..., *shape of a row] to the score [...]; None: the score is the mean."""

    def value(self, values: NDArray[Any]) -> float:
        """Return the score of the values of all rows."""
        mean = values.mean() if self.of_means is None else self.of_means(values.mean(axis=0))
        return round(float(mean), 6)

    def compare(self, first: NDArray[Any], second: NDArray[Any], alpha: float) -> PairedTest:
        """Test the difference of two models' scores."""
        if self.of_means is not None:
            return compare_functions(first, second, self.of_means, alpha)
        return compare_values(first, second, alpha)


def is_right(outputs: Outputs, rows: TestRows) -> NDArray[np.bool_]:
    """Return whether the class of each row is right, bool [rows]."""
    right: NDArray[np.bool_] = np.equal(outputs["label"], rows.labels)
    return right


def probability_of_label(outputs: Outputs, rows: TestRows) -> NDArray[np.float64]:
    """Return the probability of each row's true class, float64 [rows]; NaN counts as 0."""
    found = outputs["probabilities"][np.arange(len(rows)), rows.labels]
    shares: NDArray[np.float64] = np.nan_to_num(found.astype(np.float64))
    return shares


def _cross_entropy(outputs: Outputs, rows: TestRows) -> NDArray[np.float64]:
    """Return the loss of each row; probabilities that float32 rounds to 0 count as the smallest float."""
    losses: NDArray[np.float64] = -np.log(np.clip(probability_of_label(outputs, rows), np.finfo(np.float32).tiny, 1))
    return losses


def squared_errors(outputs: Outputs, rows: TestRows) -> NDArray[np.float64]:
    """Return the mean squared error of each image's pixels, on a scale of 0..1."""
    errors: NDArray[np.float64] = np.square(outputs["reconstruction"].astype(np.float64) - rows.inputs / 255)
    means: NDArray[np.float64] = errors.reshape(len(rows), -1).mean(axis=1)
    return means


def absolute_errors(outputs: Outputs, rows: TestRows) -> NDArray[np.float64]:
    """Return the absolute errors of predicted numbers, float64 [rows, targets]; NaN counts as 0."""
    predicted = np.nan_to_num(outputs["prediction"]).astype(np.float64)
    errors: NDArray[np.float64] = np.abs(predicted - rows.labels)
    return errors


def mean_absolute_errors(outputs: Outputs, rows: TestRows) -> NDArray[np.float64]:
    """Return the mean absolute error of each row over the targets, float64 [rows]."""
    errors: NDArray[np.float64] = absolute_errors(outputs, rows).mean(axis=1)
    return errors


def _explained(outputs: Outputs, rows: TestRows) -> NDArray[np.float64]:
    """Return the part of each row in R^2, float64 [rows]: the mean over the rows is R^2.

    It is 1 less the squared error in variances of the test rows, mean over the targets; 0 for a constant target.
    """
    variance = rows.labels.astype(np.float64).var(axis=0)
    errors = np.square(absolute_errors(outputs, rows)) / np.where(variance > 0, variance, 1)
    parts: NDArray[np.float64] = np.where(variance > 0, 1 - errors, 0).mean(axis=1)
    return parts


def _label_counts(outputs: Outputs, rows: TestRows) -> NDArray[np.float64]:
    """Return for every row which labels are predicted and there, only predicted, and only there, [rows, 3, labels]."""
    found, there = outputs["labels"] > 0, rows.labels > 0
    return np.stack([found & there, found & ~there, ~found & there], axis=1).astype(np.float64)


def macro_f1(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the mean F1 score of the labels from the means of `_label_counts`, [..., 3, labels] to [...].

    The F1 score of a label that is neither there nor predicted is 0, as in validation.json.
    """
    both, only_predicted, only_there = (means[..., number, :] for number in range(3))
    whole = 2 * both + only_predicted + only_there
    scores: NDArray[np.float64] = (2 * both / np.where(whole > 0, whole, 1)).mean(axis=-1)
    return scores


def _all_right(outputs: Outputs, rows: TestRows) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = (outputs["labels"] == rows.labels).all(axis=1)
    return right


def label_losses(outputs: Outputs, rows: TestRows) -> NDArray[np.float64]:
    """Return the binary cross-entropy of each row, mean over the labels, float64 [rows]."""
    return losses_of_rows(outputs["probabilities"], rows.labels)


# The first score of a task decides which model is better. A generator has no score per row.
SCORES: dict[Task, Sequence[Score]] = {
    "classification": (Score("accuracy", True, is_right), Score("loss", False, _cross_entropy)),
    "reconstruction": (Score("mean_squared_error", False, squared_errors),),
    "regression": (Score("r2", True, _explained), Score("mean_absolute_error", False, mean_absolute_errors)),
    "multilabel": (
        Score("macro_f1", True, _label_counts, macro_f1),
        Score("exact_match", True, _all_right),
        Score("loss", False, label_losses),
    ),
    "generation": (),
}
