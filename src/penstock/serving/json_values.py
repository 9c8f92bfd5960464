"""Values that came out of JSON, to numpy: each is what the datatype can hold, or the request is refused."""

from __future__ import annotations

import array
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.refusals import InputError
from penstock.serving.tensors import TensorSpec

LARGEST_FP32 = float(np.finfo(np.float32).max)


def array_of(flat: list[Any], spec: TensorSpec, *, bools: bool = True) -> NDArray[Any]:
    """A flat array of the values. bools: whether there may be true or false among them, which are no numbers.

    Raises:
        InputError: a value is none of the datatype, or too large for it.
    """
    try:
        values = _ARRAYS[spec.datatype](flat)
    except (TypeError, ValueError, OverflowError):
        values = None
    if values is None or (bools and any(type(value) is bool for value in flat)):
        raise InputError(f"{spec.wanted}, and these values are not")
    return values


def rows_of(values: object, spec: TensorSpec) -> NDArray[Any]:
    """Nested lists of rows to an array of [rows, ...]; raises `InputError`."""
    level, shape = [values], []
    for _ in spec.shape:
        if not all(isinstance(part, list) and len(part) == len(level[0]) for part in level):  # type: ignore[arg-type]
            raise InputError(f"{spec.wanted}, not lists of other depths or lengths")
        shape.append(len(level[0]))  # type: ignore[arg-type]
        level = [value for part in level for value in part]  # type: ignore[attr-defined]
        if not level:
            break
    if any(isinstance(value, list) for value in level):
        raise InputError(f"{spec.wanted}, not deeper lists")
    if tuple(shape[1:]) != spec.shape[1:] or not shape[0]:
        raise InputError(f"{spec.wanted}, not {shape}")
    return array_of(level, spec).reshape(shape)


def _texts(flat: list[Any]) -> NDArray[Any]:
    for value in flat:
        if type(value) is not str:
            raise TypeError
    return np.array(flat, dtype=object)


def _floats(flat: list[Any]) -> NDArray[np.float32]:
    numbers = np.frombuffer(array.array("f", flat), np.float32)
    # JSON has no infinity: one that is here was a number too large.
    if not isfinite(np.vdot(numbers, numbers)) and not np.isfinite(numbers).all():
        raise OverflowError
    return numbers


# Python's own arrays refuse what they cannot hold, and they are filled in C.
_ARRAYS: dict[str, Callable[[list[Any]], NDArray[Any]]] = {
    "BYTES": _texts,
    "UINT8": lambda flat: np.frombuffer(bytes(flat), np.uint8),
    "INT64": lambda flat: np.frombuffer(array.array("q", flat), np.int64),
    "FP32": _floats,
}
