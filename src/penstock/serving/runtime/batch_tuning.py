"""Measure how a model is best run, when it is loaded."""

from __future__ import annotations

import time
from collections.abc import Callable

from penstock.serving.errors import ModelFailedError
from penstock.serving.runtime.batch_policy import UNTUNED, BatchPolicy
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.row_check import generated_inputs

SIZES = (4, 8, 16, 32)
# The time of a size is the fastest of so many runs, or of those that fit into the time.
RUNS = 3
SECONDS_PER_SIZE = 4e-3
# Extra cost of a run in a worker: waking the thread, and the way back to the event loop.
HANDOFF_SECONDS = 200e-6
# A larger batch must be so much cheaper per row: its first row waits for its last.
MIN_GAIN = 1.02
# Longest run on the event loop: eight digits. In two workers, the handoff would cost about as much as the run.
MAX_INLINE_SECONDS = 400e-6


def autotune(model: ServedModel, max_batch_size: int | None = None) -> BatchPolicy:
    """Measure the model on generated rows for a few milliseconds, which also warms it up.

    Args:
        model: The model.
        max_batch_size: Fixed number of rows per run; None measures it.
    """
    try:
        return _tuned(model, max_batch_size)
    except ModelFailedError:
        return UNTUNED  # not every model can compute made rows: an encoder of words may know some words only


def _tuned(model: ServedModel, max_batch_size: int | None) -> BatchPolicy:
    if model.runs_whole:
        return BatchPolicy(max_batch_size=1, max_inline_rows=0, seconds_per_row=_run_seconds(model, 1))
    max_batch_size = 1 if model.single_row_only else max_batch_size
    single = _run_seconds(model, 1)
    if max_batch_size:
        size, seconds = max_batch_size, _run_seconds(model, max_batch_size)
    else:
        size, seconds = _cheapest_size(model, single)
    per_row = seconds / size
    inline_rows = int(MAX_INLINE_SECONDS / per_row) if single < MAX_INLINE_SECONDS else 0
    return BatchPolicy(size, inline_rows, per_row)


def _cheapest_size(model: ServedModel, single: float) -> tuple[int, float]:
    """Return the batch size with the lowest cost per row, and its seconds; stop at the first that does not gain."""
    best, best_seconds = 1, single
    for size in SIZES:
        seconds = _run_seconds(model, size)
        if MIN_GAIN * (seconds + HANDOFF_SECONDS) / size > (best_seconds + HANDOFF_SECONDS) / best:
            break
        best, best_seconds = size, seconds
    return best, best_seconds


def _run_seconds(model: ServedModel, rows: int) -> float:
    inputs = generated_inputs(model.inputs, rows)
    model.run(inputs)  # warm-up
    runs = [_timed(lambda: model.run(inputs))]
    while len(runs) < RUNS and sum(runs) < SECONDS_PER_SIZE:
        runs.append(_timed(lambda: model.run(inputs)))
    return min(runs)


def _timed(run: Callable[[], object]) -> float:
    """Measure the thread's own CPU time, so that other load on the machine does not count."""
    started = time.thread_time()
    run()
    return time.thread_time() - started
