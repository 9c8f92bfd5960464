"""What a person types or has on disk, to one raw row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from penstock.serving.refusals import InputError
from penstock.serving.tensors import TensorSpec


def parse_input(spec: TensorSpec, words: Sequence[str]) -> Any:  # noqa: ANN401  (a row of any kind)
    """Numbers for a table, the text itself, or an image file, which is made grey and brought to the model's size.

    Raises:
        InputError: a word is no number, or the file is no image.
    """
    match spec.datatype:
        case "BYTES":
            return " ".join(words)
        case "UINT8":
            return _pixels(Path(words[0]), height=spec.shape[1], width=spec.shape[2])
        case _:
            return [_number(word) for word in words]


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InputError(f"'{word}' is no number") from None


def _pixels(path: Path, *, height: int, width: int) -> list[list[int]]:
    try:
        with Image.open(path) as image:
            grey = image.convert("L").resize((width, height))
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"{path}: no image that can be read ({error})") from None
    pixels: list[list[int]] = np.asarray(grey).tolist()
    return pixels
