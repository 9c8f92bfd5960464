"""Encode tables as float32 in their original units.

The first layer of a network standardizes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import TableConfig


@dataclass(frozen=True)
class TableEncoder:
    """An `Encoder` of float32 numbers."""

    shape: tuple[int, ...]
    vocab_size: int = 0

    def encode(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        return inputs.astype(np.float32)

    def save(self, folder: Path) -> None:
        """Do nothing: this encoder has no fitted state."""

    def describe(self, inputs: NDArray[Any]) -> dict[str, Any]:
        return {"mean": _rounded(inputs.mean(axis=0)), "standard_deviation": _rounded(inputs.std(axis=0))}


def _rounded(values: NDArray[Any]) -> list[float]:
    return [round(float(value), 4) for value in values]


def fit(_settings: TableConfig, training: NDArray[Any]) -> tuple[TableEncoder, NDArray[np.float32]]:
    """Return the encoder and the encoded training rows, float32 [rows, features]."""
    encoder = TableEncoder(shape=training.shape[1:])
    return encoder, encoder.encode(training)
