"""Command line arguments to one raw row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.codecs.tensors import TensorSpec
from penstock.serving.errors import InputError, RequestError


def parse_input(spec: TensorSpec, words: Sequence[str]) -> Any:  # noqa: ANN401  (a row of any kind)
    """Parse numbers for a table, a text, or the path of an image.

    Raises:
        InputError: A word is not a number, or the file is not an image.
    """
    match spec.datatype:
        case "BYTES":
            return " ".join(words)
        case "UINT8":
            return read_image(Path(words[0]), spec).tolist()
        case _:
            return [_number(word) for word in words]


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InputError(f"'{word}' is not a number") from None


def read_image(path: Path, spec: TensorSpec) -> NDArray[np.uint8]:
    """Read an image file of any format to the pixels that an input takes.

    Raises:
        InputError: The file cannot be read, or is no image.
    """
    from penstock.serving.codecs.images import decode_image

    _, height, width, *channels = spec.shape
    try:
        return decode_image(path.read_bytes(), (width, height), rgb=bool(channels))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except RequestError as error:
        raise InputError(f"{path}: {error}") from None
