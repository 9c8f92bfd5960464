"""How a model is best run, measured when it is loaded: how many rows at once, and whether on the event loop itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.tensors import Tensors, TensorSpec

if TYPE_CHECKING:
    from penstock.serving.models import ServedModel

SIZES = (4, 8, 16, 32)
# Of each size the quickest of so many runs; the first of them makes the model warm.
RUNS = 3
# A larger run must be at least so much quicker by row to be worth that its first row waits for its last.
WORTH = 0.95
# What the event loop may be kept busy by a run; a thread costs about as much to be woken and listened to.
INLINE_SECONDS = 100e-6
WORDS = 230  # of a review, in the middle


@dataclass(frozen=True)
class Plan:
    """most_rows: of one run; inline_rows: as many at most are run on the event loop, 0 if even one row takes too long;
    row_seconds: what a row takes in a run of `most_rows`."""

    most_rows: int
    inline_rows: int
    row_seconds: float


# Of a model that has not been measured.
ROW_BY_ROW = Plan(most_rows=1, inline_rows=0, row_seconds=0.001)


def measure(model: ServedModel, most_rows: int | None = None) -> Plan:
    """Runs the model on made-up rows of the usual size, for a few milliseconds; this also makes it warm.

    most_rows: of a run, if that is decided already.
    """
    most_rows = 1 if model.row_by_row else most_rows
    alone = _seconds(model, 1)
    most, each = (1, alone) if most_rows is None else (most_rows, _seconds(model, most_rows) / most_rows)
    for size in SIZES if most_rows is None else ():
        by_row = _seconds(model, size) / size
        if by_row > WORTH * each:
            break
        most, each = size, by_row
    inline = int(INLINE_SECONDS / each) if alone < INLINE_SECONDS else 0
    return Plan(most, inline, each)


def example(model: ServedModel, rows: int) -> Tensors:
    """Made-up inputs: zeros, or texts of the usual length."""
    return {spec.name: _example(spec, rows) for spec in model.inputs}


def _example(spec: TensorSpec, rows: int) -> NDArray[Any]:
    shape = (rows, *spec.shape[1:])
    if spec.datatype == "BYTES":
        return np.full(shape, "word " * WORDS, dtype=object)
    return np.zeros(shape, dtype=spec.dtype)


def _seconds(model: ServedModel, rows: int) -> float:
    inputs = example(model, rows)
    return min(_timed(lambda: model.run(inputs)) for _ in range(RUNS))


def _timed(run: Callable[[], object]) -> float:
    """By the thread's own clock: what else the machine does makes no difference."""
    begun = time.thread_time()
    run()
    return time.thread_time() - begun
