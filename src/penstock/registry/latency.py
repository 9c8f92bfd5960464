"""Compare the latency of two model files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from penstock.evaluation.session import onnx_outputs

WARM_UP, MIN_CALLS, MAX_CALLS = 3, 10, 300
SECONDS = 1.0
ATTEMPTS = 3

Sessions = tuple[onnxruntime.InferenceSession, onnxruntime.InferenceSession]


def compare_latency(sessions: Sessions, inputs: Sequence[NDArray[Any]], limit: float) -> tuple[float, float]:
    """Measure two models by turns, so that other load on the machine slows both.

    Args:
        sessions: The models.
        inputs: A raw input row of each, [1, ...].
        limit: Ratio, second to first, above which the measurement is repeated, at most twice; the lowest ratio counts.

    Returns:
        Median latency of one row of each, in milliseconds.
    """
    measured: list[tuple[float, float]] = []
    while len(measured) < ATTEMPTS and (not measured or _ratio(measured[-1]) > limit):
        measured.append(_measure(sessions, inputs))
    return min(measured, key=_ratio)


def _ratio(latencies: tuple[float, float]) -> float:
    return latencies[1] / latencies[0]


def _measure(sessions: Sessions, inputs: Sequence[NDArray[Any]]) -> tuple[float, float]:
    pairs = list(zip(sessions, inputs, strict=True))
    calls: list[list[float]] = []
    for pair in WARM_UP * pairs:
        _seconds(*pair)
    started = time.perf_counter()
    while len(calls) < MIN_CALLS or (len(calls) < MAX_CALLS and time.perf_counter() - started < SECONDS):
        calls.append([_seconds(*pair) for pair in pairs])
    first, second = (round(1000 * median(of_model), 4) for of_model in zip(*calls, strict=True))
    return first, second


def _seconds(session: onnxruntime.InferenceSession, row: NDArray[Any]) -> float:
    started = time.perf_counter()
    onnx_outputs(session, row, 1)
    return time.perf_counter() - started
