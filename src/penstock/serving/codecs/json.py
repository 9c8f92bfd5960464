"""Values parsed from JSON to numpy arrays, with checks that no value is changed."""

from __future__ import annotations

import array
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.codecs.tensors import DTYPES, TensorSpec
from penstock.serving.errors import InputError

FEW_VALUES = 16
"""Python is faster than numpy with so many values."""


def array_from_values(flat: list[Any], spec: TensorSpec, *, check_bools: bool = True) -> NDArray[Any]:
    """Convert a flat list.

    Args:
        flat: The values.
        spec: The tensor that they are for.
        check_bools: Whether true and false may be among values that are numbers.

    Returns:
        One-dimensional array.

    Raises:
        InputError: A value is not of the datatype, or too large for it.
    """
    try:
        values = _CONVERTERS[spec.datatype](flat)
    except (TypeError, ValueError, OverflowError):
        values = None
    if values is None or (check_bools and spec.datatype != "BOOL" and bool in map(type, flat)):
        raise InputError(f"{spec.expected}; these values are not")
    return values


def array_from_rows(rows: object, spec: TensorSpec) -> NDArray[Any]:
    """Convert nested lists of rows to an array [rows, ...].

    Raises:
        InputError: They do not have the shape or datatype of the tensor.
    """
    level, shape = [rows], []
    for _ in spec.shape:
        if not all(isinstance(part, list) and len(part) == len(level[0]) for part in level):  # type: ignore[arg-type]
            raise InputError(f"{spec.expected}, not lists of other depths or lengths")
        shape.append(len(level[0]))  # type: ignore[arg-type]
        level = [value for part in level for value in part]  # type: ignore[attr-defined]
        if not level:
            break
    if any(isinstance(value, list) for value in level):
        raise InputError(f"{spec.expected}, not deeper lists")
    if not spec.fits(shape):
        raise InputError(f"{spec.expected}, not {shape}")
    return array_from_values(level, spec).reshape(shape)


def _texts(flat: list[Any]) -> NDArray[Any]:
    for value in flat:
        if type(value) is not str:
            raise TypeError
    return np.array(flat, dtype=object)


def _floats(flat: list[Any]) -> NDArray[np.float32]:
    content = array.array("f", flat)
    numbers = np.frombuffer(content, np.float32)
    # JSON has no infinity: one that appears here was a number too large for float32.
    if len(flat) <= FEW_VALUES:
        finite = isfinite(sum(content))
    else:
        finite = isfinite(np.vdot(numbers, numbers)) or bool(np.isfinite(numbers).all())
    if not finite:
        raise OverflowError
    return numbers


def _halves(flat: list[Any]) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        numbers = np.frombuffer(array.array("d", flat), np.float64).astype(np.float16)
    if not np.isfinite(numbers).all():
        raise OverflowError
    return numbers


def _bools(flat: list[Any]) -> NDArray[np.bool_]:
    if not all(type(value) is bool for value in flat):
        raise TypeError
    return np.array(flat, np.bool_)


def _numbers(datatype: str, code: str) -> Callable[[list[Any]], NDArray[Any]]:
    """Return the converter of a datatype that Python's `array` has, by its type code."""
    return lambda flat: np.frombuffer(array.array(code, flat), DTYPES[datatype])


_CODES = {
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP64": "d",
}
# Python's arrays reject what they cannot hold, and are filled in C.
_CONVERTERS: dict[str, Callable[[list[Any]], NDArray[Any]]] = {
    "BOOL": _bools,
    "UINT8": lambda flat: np.frombuffer(bytes(flat), np.uint8),
    "FP16": _halves,
    "FP32": _floats,
    "BYTES": _texts,
    **{datatype: _numbers(datatype, code) for datatype, code in _CODES.items()},
}
