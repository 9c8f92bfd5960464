"""Encode tables as float32 in their original units.

The first layer of a network standardizes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.data.preprocessing.statistics import column_statistics


def encode(inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Return the features, float32 [rows, features]."""
    return inputs.astype(np.float32)


def describe(training: NDArray[np.float32]) -> dict[str, Any]:
    """Return the mean and the standard deviation of each feature."""
    found = column_statistics(training)
    return {"mean": _rounded(found.mean), "standard_deviation": _rounded(found.deviation)}


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 4) for value in values]
