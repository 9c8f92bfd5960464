"""Find out whether a model answers row by row, so that rows of many requests may share a run.

A file may have outputs without one row per input row (the states of an LSTM, boxes of a detector, a scalar), or rows
that change each other's outputs. The check runs one and several rows, and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.codecs.tensors import Tensors, TensorSpec
from penstock.serving.errors import ModelFailedError

ROWS = 3
# The last bits of a row's outputs may depend on the size of its run, by the order of sums.
RELATIVE_TOLERANCE = 1e-3
HALF_TOLERANCE = 1e-2  # of float16, which has three digits
WORDS_PER_TEXT = 230  # median length of a review

Run = Callable[[Tensors], Tensors]


def takes_rows(spec: TensorSpec) -> bool:
    """Return whether the first dimension is any number of rows, and each row has the same shape."""
    return spec.shape[:1] == (-1,) and -1 not in spec.shape[1:]


def has_rows(outputs: Tensors, rows: int) -> bool:
    """Return whether each output has as many rows."""
    for output in outputs.values():  # noqa: SIM110  (faster than `all`, in the path of every run)
        if output.shape[:1] != (rows,):
            return False
    return True


def why_whole(inputs: Sequence[TensorSpec], run: Run, *, may_differ: bool = False) -> str:
    """Return why rows cannot share a run; empty if each output has one row per input row, which depends on it only.

    Args:
        inputs: The model's inputs.
        run: Runs the model.
        may_differ: Skip the comparison of outputs; the rows run one by one anyway.
    """
    if not inputs:
        return "it has no inputs"
    for spec in inputs:
        if not takes_rows(spec):
            return f"{spec.name} {_other_than_rows(spec)}"
    checked = [_why_whole(sample, run, may_differ=may_differ) for sample in _samples(inputs)]
    reasons = [reason for reason in checked if reason is not None]
    return next(filter(None, reasons), "") if reasons else "it could not compute made rows"


def _other_than_rows(spec: TensorSpec) -> str:
    if not spec.shape:
        return "is a scalar"
    return "has a fixed first dimension" if spec.shape[0] != -1 else "has an open dimension besides the rows"


def generated_inputs(inputs: Sequence[TensorSpec], rows: int, size: int = 1) -> dict[str, NDArray[Any]]:
    """Generate `rows` rows: zeros, or texts of the usual length. Other open dimensions have the size `size`."""
    return {spec.name: _zeros(spec, _shape(spec, rows, size)) for spec in inputs}


def _samples(inputs: Sequence[TensorSpec]) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield equal rows, and rows that differ."""
    yield generated_inputs(inputs, ROWS)
    random = np.random.default_rng(0)
    yield {spec.name: _random(spec, _shape(spec, ROWS), random) for spec in inputs}


def _why_whole(inputs: Tensors, run: Run, *, may_differ: bool) -> str | None:
    """Compare rows that run together with the same rows alone; None if the model cannot compute these rows."""
    try:
        together = run(inputs)
        alone = [run({name: array[row : row + 1] for name, array in inputs.items()}) for row in range(ROWS)]
    except ModelFailedError:
        return None
    for name, output in together.items():
        if not has_rows({name: output}, ROWS) or not all(has_rows({name: one[name]}, 1) for one in alone):
            return f"{name} has not one row per input row"
        if not may_differ and not _equal(output, np.concatenate([one[name] for one in alone])):
            return f"rows change each other's {name}"
    return ""


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return np.array_equal(one, other)
    tolerance = HALF_TOLERANCE if one.dtype.itemsize == 2 else RELATIVE_TOLERANCE
    scale = float(np.max(np.abs(one), initial=0, where=np.isfinite(one)))
    return np.allclose(one, other, tolerance, tolerance * scale, equal_nan=True)


def _shape(spec: TensorSpec, rows: int, open_size: int = 1) -> tuple[int, ...]:
    first = (rows if size == -1 else size for size in spec.shape[:1])
    return (*first, *(open_size if size == -1 else size for size in spec.shape[1:]))


def _zeros(spec: TensorSpec, shape: tuple[int, ...]) -> NDArray[Any]:
    if spec.datatype == "BYTES":
        return np.full(shape, "word " * WORDS_PER_TEXT, dtype=object)
    return np.zeros(shape, spec.dtype)


def _random(spec: TensorSpec, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[Any]:
    if spec.datatype == "BYTES":
        counts = random.integers(1, 20, shape)
        return np.array(["a good film " * int(count) for count in counts.flat], dtype=object).reshape(shape)
    if spec.dtype.kind == "f":
        return random.standard_normal(shape).astype(spec.dtype)
    return random.integers(0, 256 if spec.datatype == "UINT8" else 2, shape).astype(spec.dtype)
