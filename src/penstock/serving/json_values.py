"""Values that came out of JSON, to numpy: each is what the datatype can hold, or the request is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.refusals import InputError
from penstock.serving.tensors import TensorSpec

LARGEST_FP32 = float(np.finfo(np.float32).max)


def _number(value: object, smallest: float, largest: float, *types: type) -> bool:
    return isinstance(value, types) and not isinstance(value, bool) and smallest <= value <= largest  # type: ignore[operator]


# Whether one element of a request's data is what the datatype can hold.
_FITS: dict[str, Callable[[object], bool]] = {
    "BYTES": lambda value: isinstance(value, str),
    "UINT8": lambda value: _number(value, 0, 255, int),
    "INT64": lambda value: _number(value, -(2**63), 2**63 - 1, int),
    "FP32": lambda value: _number(value, -LARGEST_FP32, LARGEST_FP32, int, float),
}


def array_of(flat: list[Any], spec: TensorSpec) -> NDArray[Any]:
    """A flat array of the values; raises `InputError` where one is no such value."""
    if not all(map(_FITS[spec.datatype], flat)):
        raise InputError(f"{spec.wanted}, and these values are not")
    return np.array(flat, dtype=spec.dtype)


def rows_of(values: object, spec: TensorSpec) -> NDArray[Any]:
    """Nested lists of rows to an array of [rows, ...]; raises `InputError`."""
    level = [values]
    for _ in spec.shape:
        if not all(isinstance(part, list) and len(part) == len(level[0]) for part in level):  # type: ignore[arg-type]
            raise InputError(f"{spec.wanted}, not lists of other depths or lengths")
        level = [value for part in level for value in part]  # type: ignore[attr-defined]
    if any(isinstance(value, list) for value in level):
        raise InputError(f"{spec.wanted}, not deeper lists")
    shape = _shape(values, len(spec.shape))
    if shape[1:] != list(spec.shape[1:]) or not shape[0]:
        raise InputError(f"{spec.wanted}, not {shape}")
    return array_of(level, spec).reshape(shape)


def _shape(values: Any, depth: int) -> list[int]:  # noqa: ANN401  (lists in lists)
    shape = []
    for _ in range(depth):
        shape.append(len(values))
        values = values[0] if values else []
    return shape
