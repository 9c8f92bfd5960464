"""One file per kind of input: how raw rows become the rows of a memory-mapped array.

What a network can do on its own device (scaling numbers, dividing pixels by 255) is no preprocessing: it is the
network's first layer (`penstock.models.common.inputs`), so that the exported graph carries it and folds can fit it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from penstock.config.data import ImageConfig, TableConfig, TextConfig


class Encoder(Protocol):
    """Raw rows to array rows, after it has seen the training rows.

    shape: of one encoded row; vocabulary: number of different ids for texts, else 0.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def vocabulary(self) -> int: ...

    def encode(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Raw inputs [rows, ...] to the array [rows, *shape]."""
        ...

    def save(self, folder: Path) -> None:
        """Writes what a later stage needs to do the same, if anything."""
        ...

    def describe(self, inputs: NDArray[Any]) -> dict[str, Any]:
        """What only this kind can say of raw inputs, for data.json."""
        ...


def fit_encoder(
    settings: TableConfig | ImageConfig | TextConfig, training: NDArray[Any]
) -> tuple[Encoder, NDArray[Any]]:
    """The encoder of the settings' kind, fitted on training rows and no others, and those rows encoded."""
    fitted: tuple[Encoder, NDArray[Any]] = import_module(f"penstock.data.preprocessing.{settings.kind}").fit(
        settings, training
    )
    return fitted
