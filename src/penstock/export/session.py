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

from penstock.errors import MissingFileError
from penstock.export.parity import BATCH_SIZES, exported_answers

LATENCY_CALLS = 50
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
    milliseconds = {}
    for size in sizes:
        batch = inputs[:size]
        calls = []
        for _ in range(LATENCY_CALLS):
            started = time.perf_counter()
            exported_answers(session, batch, size)
            calls.append((time.perf_counter() - started) * 1000)
        milliseconds[f"batch_{size}"] = round(median(calls), 4)
    return milliseconds
