"""Score the answers of a model, one value per test row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.comparison.candidate import Task
from penstock.comparison.paired_tests import PairedTest, compare_means, compare_shares
from penstock.comparison.rows import TestRows
from penstock.evaluation.session import Outputs


@dataclass(frozen=True)
class Score:
    """A metric that is the mean of one value per row."""

    name: str
    """As in validation.json and, after `test/`, in MLflow."""
    higher_is_better: bool
    of_rows: Callable[[Outputs, TestRows], NDArray[Any]]
    """Function to the values, float64 or bool [rows]."""
    class_score: str
    """What its mean over the rows of one class is called."""

    def compare(self, first: NDArray[Any], second: NDArray[Any], alpha: float) -> PairedTest:
        """Test the difference of the means of two models' values."""
        if first.dtype == np.bool_:
            return compare_shares(first, second, alpha)
        return compare_means(first, second, alpha)


def _is_right(outputs: Outputs, rows: TestRows) -> NDArray[np.bool_]:
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


def _squared_error(outputs: Outputs, rows: TestRows) -> NDArray[np.float64]:
    """Return the mean squared error of each image's pixels, on a scale of 0..1."""
    errors: NDArray[np.float64] = np.square(outputs["reconstruction"].astype(np.float64) - rows.inputs / 255)
    means: NDArray[np.float64] = errors.reshape(len(rows), -1).mean(axis=1)
    return means


def _squared_distance(outputs: Outputs, rows: TestRows) -> NDArray[np.float64]:
    """Return the squared error of each row's numbers, in their variances over the test rows: their mean is 1 - R^2."""
    actual = rows.labels.astype(np.float64)
    variance = actual.var(axis=0)
    errors = np.square(outputs["prediction"].astype(np.float64) - actual) / np.where(variance > 0, variance, 1)
    means: NDArray[np.float64] = errors.mean(axis=1)
    return means


def _all_right(outputs: Outputs, rows: TestRows) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = (outputs["labels"] == rows.labels).all(axis=1)
    return right


# The first score of a task decides which model is better. A generator has no score per row.
SCORES: dict[Task, Sequence[Score]] = {
    "classification": (
        Score("accuracy", True, _is_right, "recall"),
        Score("loss", False, _cross_entropy, "loss"),
    ),
    "reconstruction": (Score("mean_squared_error", False, _squared_error, "mean squared error"),),
    "regression": (Score("unexplained_variance", False, _squared_distance, "unexplained variance"),),
    "multilabel": (Score("exact_match", True, _all_right, "exact match"),),
    "generation": (),
}
