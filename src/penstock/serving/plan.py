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
# Of each size the quickest of so many runs, or of what fits into the time.
RUNS = 3
SECONDS_OF_A_SIZE = 4e-3
# What a run costs in a lane besides itself: a thread is woken, and listened to when it has done.
HANDOFF_SECONDS = 200e-6
# A larger run must be at least so much cheaper by row: its first row waits for its last.
WORTH = 1.02
# What the event loop may be kept busy by a run: eight digits, which would cost about as much again on their way to
# two lanes and back.
INLINE_SECONDS = 400e-6
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
    most, taken = (most_rows, _seconds(model, most_rows)) if most_rows else _best(model, alone)
    each = taken / most
    return Plan(most, int(INLINE_SECONDS / each) if alone < INLINE_SECONDS else 0, each)


def _best(model: ServedModel, alone: float) -> tuple[int, float]:
    """The size of a run that costs least by row, and its seconds; sizes are tried until one is no better."""
    best, taken = 1, alone
    for size in SIZES:
        seconds = _seconds(model, size)
        if WORTH * (seconds + HANDOFF_SECONDS) / size > (taken + HANDOFF_SECONDS) / best:
            break
        best, taken = size, seconds
    return best, taken


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
    model.run(inputs)  # the first one makes the model warm
    runs = [_timed(lambda: model.run(inputs))]
    while len(runs) < RUNS and sum(runs) < SECONDS_OF_A_SIZE:
        runs.append(_timed(lambda: model.run(inputs)))
    return min(runs)


def _timed(run: Callable[[], object]) -> float:
    """By the thread's own clock: what else the machine does makes no difference."""
    begun = time.thread_time()
    run()
    return time.thread_time() - begun
