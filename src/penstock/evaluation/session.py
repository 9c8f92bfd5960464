"""Opening and timing an exported file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import onnxruntime
import torch
from numpy.typing import NDArray

from penstock.core.errors import MissingFileError
from penstock.evaluation.parity import BATCH_SIZES, exported_answers

# Of each batch size, as many calls as fit into the time: a batch of a recurrent network takes a fifth of it.
MOST_CALLS, FEWEST_CALLS = 50, 5
SECONDS_OF_A_SIZE = 1.0
ERRORS = 3  # onnxruntime's warnings are about what we want: an input that has a default is no constant


def open_model(path: Path) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; `dvc repro` makes it")
    return open_session(path)


def open_session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """A file, or the bytes of one; it computes with as many threads as torch does in this process."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = ERRORS
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def measure_latency(
    session: onnxruntime.InferenceSession, inputs: NDArray[Any], sizes: Sequence[int] = BATCH_SIZES
) -> dict[str, float]:
    """Median milliseconds of a call, per batch size; never twice the same."""
    return {f"batch_{size}": round(1000 * median(_seconds_of_calls(session, inputs[:size])), 4) for size in sizes}


def _seconds_of_calls(session: onnxruntime.InferenceSession, batch: NDArray[Any]) -> list[float]:
    calls: list[float] = []
    while len(calls) < FEWEST_CALLS or (len(calls) < MOST_CALLS and sum(calls) < SECONDS_OF_A_SIZE):
        started = time.perf_counter()
        exported_answers(session, batch, len(batch))
        calls.append(time.perf_counter() - started)
    return calls
