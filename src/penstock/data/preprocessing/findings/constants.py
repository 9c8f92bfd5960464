"""Columns that have one value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.data.preprocessing.statistics import column_statistics
from penstock.io.processed_dataset import ProcessedDataset

FIRST_ROWS = 10_000
"""Rows of the first look; only columns that are constant in them are looked at whole."""


def constant_columns(processed: ProcessedDataset, columns: Sequence[str]) -> list[str]:
    """Return the columns with the same value in all training rows, or with none."""
    training = processed.split("train").inputs
    same = np.flatnonzero([_is_constant(column) for column in np.asarray(training[:FIRST_ROWS]).T])
    found = column_statistics(training[:, same]) if len(same) else None
    if found is None:
        return []
    whole = (found.present == 0) | ((found.low == found.high) & (found.present == len(training)))
    return [columns[place] for place in same[whole]]


def _is_constant(column: NDArray[np.float32]) -> bool:
    return bool(np.array_equal(column, np.full_like(column, column[0]), equal_nan=True))
