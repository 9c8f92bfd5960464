"""Encode mixed tables as float32, one number per column, as `penstock.io.column_info` describes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.columns import CategoryColumnConfig, ColumnConfig
from penstock.config.data import ColumnsConfig
from penstock.data.preprocessing.statistics import column_statistics, counts_of


def encode(settings: ColumnsConfig, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Encode a mixed table (a structured array [rows]), float32 [rows, columns]."""
    return np.stack([encoded(column, inputs[name]) for name, column in settings.columns.items()], axis=1)


def describe(settings: ColumnsConfig, training: NDArray[np.float32]) -> dict[str, Any]:
    """Return of each column the number of missing values, and the mean and deviation or the counts of its values."""
    found = column_statistics(training)
    described: dict[str, Any] = {}
    for i, (name, column) in enumerate(settings.columns.items()):
        described[name] = {"missing": len(training) - int(found.present[i])}
        if isinstance(column, CategoryColumnConfig):
            counts = counts_of(training[:, i], len(column.values))
            described[name]["counts"] = {value: int(n) for value, n in zip(column.values, counts, strict=True)}
        elif found.present[i]:
            described[name]["mean"] = round(float(found.mean[i]), 4)
            described[name]["standard_deviation"] = round(float(found.deviation[i]), 4)
    return described


def encoded(column: ColumnConfig, values: NDArray[Any]) -> NDArray[np.float32]:
    """Encode the values of one column, float32 [rows]; NaN for a missing value."""
    match column.kind:
        case "number":
            return values.astype(np.float32)
        case "boolean":
            return _looked_up(values, {"": np.nan, "true": 1.0, "false": 0.0}, np.nan)
        case "date":
            days = np.array(["NaT" if value == "" else value for value in values], dtype="datetime64[D]")
            return np.where(np.isnat(days), np.nan, days.astype(np.int64)).astype(np.float32)
        case "category":
            index: dict[str, float] = {value: number for number, value in enumerate(column.values)}
            return _looked_up(values, index | {"": np.nan}, len(column.values))


def _looked_up(values: NDArray[Any], index: dict[str, float], default: float) -> NDArray[np.float32]:
    return np.array([index.get(value, default) for value in values], dtype=np.float32)
