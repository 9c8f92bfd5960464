"""Open, run and time an exported file."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from penstock.core.errors import MissingFileError
from penstock.data.sources.rows import by_column

BATCH_SIZES = (1, 7, 256)
# Calls per batch size, limited by time: one batch of a recurrent network takes a fifth of the time limit.
MAX_CALLS, MIN_CALLS = 50, 5
SECONDS_PER_BATCH_SIZE = 1.0
ERROR_SEVERITY = 3  # onnxruntime warns about inputs with a default, which are intended

# Outputs by name, each [rows, ...].
Outputs = dict[str, NDArray[Any]]


def open_model(path: Path) -> onnxruntime.InferenceSession:
    """Open an exported file.

    Raises:
        MissingFileError: The file does not exist.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; `dvc repro` makes it")
    return open_session(path)


def open_session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """Open a model from a path or from bytes, with the thread count of this process.

    The thread count is `OMP_NUM_THREADS`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))  # set by `use_threads`; 0 is automatic
    options.log_severity_level = ERROR_SEVERITY
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def feed_of(session: onnxruntime.InferenceSession, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return raw inputs [rows, ...] by the names of the session's inputs.

    The columns of a mixed table, a structured array, are one input each.
    """
    return by_column(inputs) or {session.get_inputs()[0].name: inputs}


def onnx_outputs(session: onnxruntime.InferenceSession, inputs: NDArray[Any], batch_size: int) -> Outputs:
    """Run all rows of raw inputs [rows, ...] through the session, in batches of `batch_size` rows."""
    feed = feed_of(session, inputs)
    names = [output.name for output in session.get_outputs()]
    batches = [
        session.run(names, {name: values[start : start + batch_size] for name, values in feed.items()})
        for start in range(0, len(inputs), batch_size)
    ]
    return {name: np.concatenate(parts) for name, parts in zip(names, zip(*batches, strict=True), strict=True)}


def measure_latency(
    session: onnxruntime.InferenceSession, inputs: NDArray[Any], sizes: Sequence[int] = BATCH_SIZES
) -> dict[str, float]:
    """Measure the median latency of a call by batch size, in milliseconds. It differs between runs."""
    return {f"batch_{size}": round(1000 * median(_call_seconds(session, inputs[:size])), 4) for size in sizes}


def _call_seconds(session: onnxruntime.InferenceSession, batch: NDArray[Any]) -> list[float]:
    calls: list[float] = []
    while len(calls) < MIN_CALLS or (len(calls) < MAX_CALLS and sum(calls) < SECONDS_PER_BATCH_SIZE):
        started = time.perf_counter()
        onnx_outputs(session, batch, len(batch))
        calls.append(time.perf_counter() - started)
    return calls
