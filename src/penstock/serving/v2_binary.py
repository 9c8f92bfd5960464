"""Tensors as bytes: numbers as they lie in memory, little-endian; a text's length in four bytes, and its UTF-8."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.refusals import InputError
from penstock.serving.tensors import TensorSpec

LENGTH_BYTES = 4


def array_from(content: memoryview, spec: TensorSpec, shape: list[int], where: str) -> NDArray[Any]:
    """Raises `InputError` where the bytes do not fill the shape, or are no texts."""
    count = prod(shape)
    if spec.datatype == "BYTES":
        return np.array(_texts(content, count, where), dtype=object).reshape(shape)
    wanted = count * spec.dtype.itemsize
    if len(content) != wanted:
        raise InputError(f"{where}: {len(content)} bytes do not fill the shape {shape}, which takes {wanted}")
    return np.require(np.frombuffer(content, spec.dtype.newbyteorder("<")).reshape(shape), spec.dtype, "A")


def _texts(content: memoryview, count: int, where: str) -> list[str]:
    texts: list[str] = []
    start = 0
    while start < len(content):
        end = start + LENGTH_BYTES + int.from_bytes(content[start : start + LENGTH_BYTES], "little")
        if start + LENGTH_BYTES > len(content) or end > len(content):
            raise InputError(f"{where}: text {len(texts)} is longer than the bytes that are left")
        texts.append(_text(content[start + LENGTH_BYTES : end], where, len(texts)))
        start = end
    if len(texts) != count:
        raise InputError(f"{where}: {len(texts)} texts do not fill a shape of {count}")
    return texts


def _text(content: memoryview, where: str, number: int) -> str:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: text {number} is not UTF-8: {error.reason} at byte {error.start}") from None


def bytes_of(array: NDArray[Any]) -> bytes:
    if array.dtype.kind == "O":
        texts = [text.encode() for text in array.ravel().tolist()]
        return b"".join(len(text).to_bytes(LENGTH_BYTES, "little") + text for text in texts)
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
