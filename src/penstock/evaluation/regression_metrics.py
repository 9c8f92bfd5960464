"""Metrics of predicted numbers by torchmetrics, also by target. Errors are in the unit of the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.regression import mean_absolute_error, mean_squared_error, r2_score

Numbers = NDArray[np.float32]


def r2(predicted: Numbers, actual: Numbers) -> float:
    """Compute R^2 of numbers [N, T], the mean over the targets; 0 for a target that is constant."""
    varies = actual.std(axis=0) > 0
    if not varies.any():
        return 0.0
    scores = r2_score(_tensor(predicted[:, varies]), _tensor(actual[:, varies]), multioutput="raw_values")
    return round(float(scores.sum()) / len(varies), 6)


def mean_errors(predicted: Numbers, actual: Numbers) -> dict[str, float]:
    """Compute the mean squared and the mean absolute error of numbers [N, T], over all targets; NaN counts as 0."""
    found, truth = _tensor(predicted), _tensor(actual)
    return {
        "mean_squared_error": _short(mean_squared_error(found, truth)),
        "mean_absolute_error": _short(mean_absolute_error(found, truth)),
    }


def scores_of_targets(predicted: Numbers, actual: Numbers, names: Sequence[str]) -> list[dict[str, Any]]:
    """Compute R^2, the errors and their quantiles of each target.

    `mean_error` is the mean of predicted less actual numbers. Half of the rows have an absolute error of at most
    `median_absolute_error`, and nine of ten of at most `absolute_error_90`.
    """
    return [
        {"slice": name, "rows": len(actual), "r2": r2(found, truth)} | mean_errors(found, truth) | _spread(found, truth)
        for number, name in enumerate(names)
        for found, truth in [(predicted[:, number : number + 1], actual[:, number : number + 1])]
    ]


def errors_in_deviations(predicted: Numbers, actual: Numbers) -> NDArray[np.float64]:
    """Return the absolute error of each row in standard deviations of the rows, mean over the targets, float64 [N]."""
    deviation = actual.std(axis=0, dtype=np.float64)
    errors = np.abs(_finite(predicted) - actual) / np.where(deviation > 0, deviation, 1)
    means: NDArray[np.float64] = errors.mean(axis=1)
    return means


def _spread(predicted: Numbers, actual: Numbers) -> dict[str, float]:
    errors = _finite(predicted) - actual
    median, ninth = np.quantile(np.abs(errors), [0.5, 0.9])
    return {
        "mean_error": _short(errors.mean()),
        "median_absolute_error": _short(median),
        "absolute_error_90": _short(ninth),
    }


def _finite(numbers: Numbers) -> NDArray[np.float64]:
    return np.nan_to_num(numbers).astype(np.float64)


def _tensor(numbers: Numbers) -> Tensor:
    return torch.from_numpy(_finite(numbers)).contiguous()


def _short(value: Tensor | np.floating[Any]) -> float:
    """Round to seven significant digits, as the unit may be of any size."""
    return float(f"{float(value):.7g}")
