"""Statistics of the models, as Triton's extension has them: cumulative counts and durations since the start.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

from __future__ import annotations

from typing import Any

from penstock.serving.metrics import ModelMetrics
from penstock.serving.runtime.model import ServedModel

NANOSECONDS, MILLISECONDS = 1e9, 1e3


def model_statistics(model: ServedModel, metrics: ModelMetrics) -> dict[str, Any]:
    """Return the statistics of one model; preparing inputs and outputs is not measured, and has no duration."""
    runs = metrics.inference_duration_seconds
    return {
        "name": model.name,
        "version": model.version,
        "last_inference": int(metrics.last_inference * MILLISECONDS),
        "inference_count": int(metrics.batch_size_rows.sum),
        "execution_count": runs.count,
        "inference_stats": {
            "success": _duration(metrics.successes.count, metrics.successes.seconds),
            "fail": _duration(metrics.failures.count, metrics.failures.seconds),
            "queue": _duration(metrics.queue_duration_seconds.count, metrics.queue_duration_seconds.sum),
            **_compute(runs.count, runs.sum),
        },
        "batch_stats": [
            {"batch_size": rows, **_compute(batches.count, batches.seconds)}
            for rows, batches in sorted(metrics.batches.items())
        ],
    }


def _compute(count: int, seconds: float) -> dict[str, dict[str, int]]:
    unmeasured = {"count": count, "ns": 0}
    return {"compute_input": unmeasured, "compute_infer": _duration(count, seconds), "compute_output": unmeasured}


def _duration(count: int, seconds: float) -> dict[str, int]:
    return {"count": count, "ns": round(seconds * NANOSECONDS)}
