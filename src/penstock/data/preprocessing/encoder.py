"""Encode raw inputs. Each kind of input has one file in this folder.

The first layer of a network scales its inputs, for example pixels by 1/255 (`penstock.models.common.inputs`). Therefore
scaling is part of the exported graph, and each fold fits its own.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from penstock.config.data import InputsConfig


class Encoder(Protocol):
    """Encoder of raw rows as array rows, fitted on the training rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one encoded row."""
        ...

    @property
    def vocab_size(self) -> int:
        """Number of word ids for texts, 0 otherwise."""
        ...

    def encode(self, inputs: Any) -> NDArray[Any]:  # noqa: ANN401  (NDArray[Any] of the encoder's kind)
        """Encode raw inputs [rows, ...] as an array [rows, *shape]."""
        ...

    def save(self, folder: Path) -> None:
        """Write the files that later stages need to apply the same encoding, if any."""
        ...

    def describe(self, inputs: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return statistics of raw inputs of this kind, for data.json."""
        ...


def fit_encoder(settings: InputsConfig, training: NDArray[Any]) -> tuple[Encoder, NDArray[Any]]:
    """Fit the encoder for a kind of input on the training rows only.

    Args:
        settings: The `inputs` section of the dataset. `settings.kind` selects the encoder.
        training: Raw training inputs [rows, ...].

    Returns:
        The encoder and the encoded training rows.
    """
    fitted: tuple[Encoder, NDArray[Any]] = import_module(f"penstock.data.preprocessing.{settings.kind}").fit(
        settings, training
    )
    return fitted
