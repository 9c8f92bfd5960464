"""Encode mixed tables as float32, one number per column, as `penstock.io.column_info` describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.columns import CategoryColumnConfig, ColumnConfig
from penstock.config.data import ColumnsConfig


@dataclass(frozen=True)
class ColumnsEncoder:
    """An `Encoder` of mixed tables."""

    settings: ColumnsConfig
    vocab_size: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.settings.columns),)

    def encode(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        columns = [encoded(column, inputs[name]) for name, column in self.settings.columns.items()]
        return np.stack(columns, axis=1)

    def save(self, folder: Path) -> None:
        """Do nothing: this encoder has no fitted state."""

    def describe(self, inputs: NDArray[Any]) -> dict[str, Any]:
        return {
            name: _described(column, encoded(column, inputs[name])) for name, column in self.settings.columns.items()
        }


def fit(settings: ColumnsConfig, training: NDArray[Any]) -> tuple[ColumnsEncoder, NDArray[np.float32]]:
    """Return the encoder and the encoded training rows, float32 [rows, columns]."""
    encoder = ColumnsEncoder(settings)
    return encoder, encoder.encode(training)


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


def _described(column: ColumnConfig, values: NDArray[np.float32]) -> dict[str, Any]:
    present = values[~np.isnan(values)]
    missing = {"missing": len(values) - len(present)}
    if not len(present):
        return missing
    if isinstance(column, CategoryColumnConfig):
        counts = np.bincount(present.astype(np.int64), minlength=len(column.values))
        return missing | {"counts": {name: int(count) for name, count in zip(column.values, counts, strict=False)}}
    return missing | {
        "mean": round(float(present.mean(dtype=np.float64)), 4),
        "standard_deviation": round(float(present.std(dtype=np.float64)), 4),
    }
