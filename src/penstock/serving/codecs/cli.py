"""Command line arguments to one raw row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
            return _read_image(Path(words[0]), height=spec.shape[1], width=spec.shape[2])
        case _:
            return [_number(word) for word in words]


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InputError(f"'{word}' is not a number") from None


def _read_image(path: Path, *, height: int, width: int) -> list[list[int]]:
    from penstock.serving.codecs.images import decode_image

    try:
        rows: list[list[int]] = decode_image(path.read_bytes(), (width, height)).tolist()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except RequestError as error:
        raise InputError(f"{path}: {error}") from None
    return rows
