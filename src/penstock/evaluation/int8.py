"""Evaluate the int8 file and compare it with the exact file.

The int8 file runs with batch size 1, as in the server. `penstock.export.quantize` gives the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.evaluation.parity import LABELS, agreement, in_deviations, max_abs_diff
from penstock.evaluation.results import Metric, Predictions
from penstock.evaluation.session import onnx_outputs, open_model
from penstock.io.files import sha256

BATCH_SIZE = 1


def evaluate_int8(path: Path, exact: Predictions, primary_metric: Callable[[Predictions], Metric]) -> dict[str, Any]:
    """Compute the section `int8` of validation.json.

    Args:
        path: The int8 file.
        exact: The exact file and its outputs for the test inputs.
        primary_metric: Function that computes the primary metric of the task.
    """
    session = open_model(path)
    outputs = onnx_outputs(session, exact.inputs, BATCH_SIZE)
    metric = primary_metric(replace(exact, path=path, session=session, outputs=outputs))
    measured: dict[str, Any] = {
        metric.name: metric.value,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "max_abs_diff": max_abs_diff(*(in_deviations(one, exact.network) for one in (outputs, exact.outputs))),
    }
    return measured | ({"agreement": agreement(outputs, exact.outputs)} if outputs.keys() & LABELS else {})
