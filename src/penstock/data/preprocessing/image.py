"""Encode images as uint8, which takes a quarter of the memory of float32.

The first layer of a network divides by 255.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import ImageConfig


@dataclass(frozen=True)
class ImageEncoder:
    """An `Encoder` of uint8 pixels."""

    shape: tuple[int, ...]
    vocab_size: int = 0

    def encode(self, inputs: NDArray[Any]) -> NDArray[np.uint8]:
        return inputs.astype(np.uint8)

    def save(self, folder: Path) -> None:
        """Do nothing: this encoder has no fitted state."""

    def describe(self, inputs: NDArray[Any]) -> dict[str, Any]:
        return {"mean_pixel": round(float(inputs.mean()), 4)}


def fit(_settings: ImageConfig, training: NDArray[Any]) -> tuple[ImageEncoder, NDArray[np.uint8]]:
    """Return the encoder and the encoded training images, uint8 [rows, height, width]."""
    encoder = ImageEncoder(shape=training.shape[1:])
    return encoder, encoder.encode(training)


def find_problem(inputs: NDArray[Any]) -> str | None:
    """Say which raw inputs are no grey images of bytes, or return None."""
    if inputs.dtype == object:
        return "the images have different sizes; resize them to one size"
    if inputs.ndim == 4:
        return f"inputs have the shape {list(inputs.shape)}; convert colour images to grey, [rows, height, width]"
    if inputs.ndim != 3 or 0 in inputs.shape[1:]:
        return f"inputs have the shape {list(inputs.shape)}; return grey images, [rows, height, width]"
    if inputs.dtype.kind not in "iu":
        return (
            f"pixels have the dtype {inputs.dtype} and values of {inputs.min()} to {inputs.max()}; return uint8, "
            "0 to 255: multiply pixels of 0 to 1 by 255 and round them"
        )
    if inputs.dtype == np.uint8 or (inputs.min() >= 0 and inputs.max() <= 255):
        return None
    outside = np.argwhere((inputs < 0) | (inputs > 255))
    row, y, x = outside[0]
    return f"image {row}, pixel [{y}, {x}]: {inputs[row, y, x]} is not 0 to 255; return uint8"
