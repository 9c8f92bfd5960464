"""Compare the outputs of two models for the same rows.

Outputs that are not floating-point numbers, such as labels, must be equal. If a model has none of them, each number may
differ by the tolerances of `penstock validate-onnx`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.codecs.tensors import Tensors

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-3, 1e-5
DIFFERENCES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0)
"""Upper bounds of the histogram's buckets; one more bucket holds larger differences."""


@dataclass(frozen=True)
class Agreement:
    """How the outputs for the rows of a request agree."""

    same: int
    """Rows on which the models agree."""
    rows: int
    """All rows; 1 for a model that answers a request as a whole."""
    differences: list[int]
    """Rows in each bucket of `DIFFERENCES`, by the largest absolute difference of their floating-point numbers."""
    sum_of_differences: float
    """Without infinities, and NaN beside numbers, which are in the last bucket."""


def compare(champion: Tensors, challenger: Tensors, *, whole: bool) -> Agreement:
    """Compare outputs of the same names.

    Args:
        champion: Arrays [rows, ...] by output name.
        challenger: The other model's arrays.
        whole: Whether the first dimension is not the rows; all values are then one row.
    """
    rows = 1 if whole else len(next(iter(champion.values())))
    pairs = [(_flat(one, rows), _flat(challenger[name], rows)) for name, one in champion.items()]
    if any(one.shape != other.shape for one, other in pairs):
        return Agreement(0, rows, [0] * (len(DIFFERENCES) + 1), 0.0)
    numbers = [pair for pair in pairs if pair[0].dtype.kind == "f"]
    others = [pair for pair in pairs if pair[0].dtype.kind != "f"]
    if others:
        same = np.all([(one == other).all(axis=1) for one, other in others], axis=0)
    else:
        same = np.all([_close(one, other).all(axis=1) for one, other in numbers], axis=0)
    differences = np.max([_largest_difference(*pair) for pair in numbers], axis=0) if numbers else np.empty(0)
    places = np.searchsorted(DIFFERENCES, differences)
    counts = np.bincount(places, minlength=len(DIFFERENCES) + 1).tolist()
    return Agreement(int(same.sum()), rows, counts, float(differences.sum(where=np.isfinite(differences))))


def _flat(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """Return an array as [rows, values]; one with other rows as it is, whose shape is then another one."""
    return array.reshape(rows, -1) if rows == 1 or array.shape[:1] == (rows,) else array


def _close(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    close: NDArray[np.bool_] = np.isclose(other, one, RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE, equal_nan=True)
    return close


def _largest_difference(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return the largest absolute difference of each row; infinity where only one of two values is finite."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(one.astype(np.float64) - other)
    difference[(one == other) | (np.isnan(one) & np.isnan(other))] = 0
    largest: NDArray[np.float64] = np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max(axis=1, initial=0)
    return largest
