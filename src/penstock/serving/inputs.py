"""What a person types or has on disk, to one raw row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.serving.refusals import InputError, RefusedError
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
    from penstock.serving.images import pixels

    try:
        rows: list[list[int]] = pixels(path.read_bytes(), (width, height)).tolist()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except RefusedError as error:
        raise InputError(f"{path}: {error}") from None
    return rows
