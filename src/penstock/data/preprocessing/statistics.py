"""Statistics of arrays, in chunks of rows, so that a memory-mapped array stays on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK_ROWS = 50_000


@dataclass(frozen=True, kw_only=True)
class ColumnStatistics:
    """Statistics of each column, [columns]; NaN, a missing value, has no part in them."""

    present: NDArray[np.int64]
    """Number of values."""
    low: NDArray[np.float32]
    """Smallest value; NaN if there is none."""
    high: NDArray[np.float32]
    """Largest value; NaN if there is none."""
    mean: NDArray[np.float64]
    """Mean; 0 if there is no value."""
    deviation: NDArray[np.float64]
    """Standard deviation; 0 if there is no value."""


def column_statistics(table: NDArray[Any]) -> ColumnStatistics:
    """Return the statistics of a table, float32 [rows, columns]."""
    width = table.shape[1]
    present, sums, squares = np.zeros(width, dtype=np.int64), np.zeros(width), np.zeros(width)
    low, high = np.full(width, np.nan, dtype=np.float32), np.full(width, np.nan, dtype=np.float32)
    for chunk in _chunks(table):
        present += (~np.isnan(chunk)).sum(axis=0)
        sums += np.nansum(chunk, axis=0, dtype=np.float64)
        low, high = np.fmin(low, np.fmin.reduce(chunk)), np.fmax(high, np.fmax.reduce(chunk))
    mean = sums / np.maximum(present, 1)
    for chunk in _chunks(table):
        squares += np.nansum((chunk - mean) ** 2, axis=0)
    deviation = np.sqrt(squares / np.maximum(present, 1))
    return ColumnStatistics(present=present, low=low, high=high, mean=mean, deviation=deviation)


def counts_of(column: NDArray[Any], values: int) -> NDArray[np.int64]:
    """Return how often each of 0 to `values` - 1 is in a column of whole numbers and NaN, int64 [values]."""
    counts = np.zeros(values, dtype=np.int64)
    for chunk in _chunks(column):
        found = chunk[~np.isnan(chunk)].astype(np.int64)
        counts += np.bincount(found, minlength=values)[:values]
    return counts


def value_range(chunks: Iterable[NDArray[Any]]) -> tuple[float, float]:
    """Return the smallest and the largest value of all chunks; NaN, a missing value, is neither, unless all are."""
    ends = [(np.fmin.reduce(chunk, axis=None), np.fmax.reduce(chunk, axis=None)) for chunk in chunks]
    low, high = zip(*ends, strict=True)
    return np.fmin.reduce(low).item(), np.fmax.reduce(high).item()


def _chunks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (np.asarray(array[begin : begin + CHUNK_ROWS]) for begin in range(0, len(array), CHUNK_ROWS))
