"""Tensors as bytes: little-endian numbers; each text as its length in four bytes and its UTF-8."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.plurals import counted
from penstock.serving.codecs.tensors import TensorSpec
from penstock.serving.errors import InputError

LENGTH_BYTES = 4


def array_from_bytes(content: memoryview, spec: TensorSpec, shape: list[int], where: str) -> NDArray[Any]:
    """Decode an array of `shape`.

    Args:
        content: The bytes.
        spec: The tensor that they are for.
        shape: Its sizes in this request.
        where: Place in the request, for error messages.

    Raises:
        InputError: The bytes do not fill the shape, or a text is not UTF-8.
    """
    count = prod(shape)
    if spec.datatype == "BYTES":
        return np.array(_texts(content, count, where), dtype=object).reshape(shape)
    expected = count * spec.dtype.itemsize
    if len(content) != expected:
        raise InputError(f"{where}: expected {counted(expected, 'byte')} for the shape {shape}, not {len(content)}")
    if spec.datatype == "BOOL" and np.frombuffer(content, np.uint8).max(initial=0) > 1:
        raise InputError(f"{where}: expected a byte of 0 or 1 for each BOOL")
    return np.require(np.frombuffer(content, spec.dtype.newbyteorder("<")).reshape(shape), spec.dtype, "A")


def _texts(content: memoryview, count: int, where: str) -> list[str]:
    texts: list[str] = []
    start = 0
    while start < len(content):
        end = start + LENGTH_BYTES + int.from_bytes(content[start : start + LENGTH_BYTES], "little")
        if start + LENGTH_BYTES > len(content) or end > len(content):
            raise InputError(f"{where}: text {len(texts)} is longer than the remaining bytes")
        texts.append(_text(content[start + LENGTH_BYTES : end], where, len(texts)))
        start = end
    if len(texts) != count:
        raise InputError(f"{where}: expected {counted(count, 'text')} for the shape, not {len(texts)}")
    return texts


def _text(content: memoryview, where: str, number: int) -> str:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: text {number} is not UTF-8: {error.reason} at byte {error.start}") from None


def bytes_from_array(array: NDArray[Any]) -> bytes:
    """Encode an array; text as its length and UTF-8."""
    if array.dtype.kind == "O":
        texts = [text.encode() for text in array.ravel().tolist()]
        return b"".join(len(text).to_bytes(LENGTH_BYTES, "little") + text for text in texts)
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
