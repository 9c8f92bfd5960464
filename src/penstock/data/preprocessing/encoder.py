"""Encoders of raw inputs; one file of this folder for each kind of input.

Scaling, such as dividing pixels by 255, is not preprocessing but the first layer of a network
(`penstock.models.common.inputs`). So it is part of the exported graph, and each fold fits its own.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from penstock.config.data import ImageConfig, TableConfig, TextConfig


class Encoder(Protocol):
    """Encodes raw rows as array rows, after it was fitted on the training rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one encoded row."""
        ...

    @property
    def vocabulary(self) -> int:
        """Number of word ids for texts, 0 otherwise."""
        ...

    def encode(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Encode raw inputs [rows, ...] as an array [rows, *shape]."""
        ...

    def save(self, folder: Path) -> None:
        """Write what later stages need to encode in the same way, if anything."""
        ...

    def describe(self, inputs: NDArray[Any]) -> dict[str, Any]:
        """Return statistics of raw inputs of this kind, for data.json."""
        ...


def fit_encoder(
    settings: TableConfig | ImageConfig | TextConfig, training: NDArray[Any]
) -> tuple[Encoder, NDArray[Any]]:
    """Fit the encoder of a kind of input on the training rows only.

    Returns:
        The encoder, and the encoded training rows.
    """
    fitted: tuple[Encoder, NDArray[Any]] = import_module(f"penstock.data.preprocessing.{settings.kind}").fit(
        settings, training
    )
    return fitted
