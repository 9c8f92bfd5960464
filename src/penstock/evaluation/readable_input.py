"""Describe a test row for readers of a report."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.evaluation.results import Predictions

EXCERPT = 300  # characters at the end of a text, which every network reads


def readable_input(predictions: Predictions, row: int) -> dict[str, Any]:
    """Return the input of a test row for validation.json; images are in examples.npz."""
    value = predictions.inputs[row]
    match predictions.info.kind:
        case "text":
            return {"text": value[-EXCERPT:]}
        case "table":
            return {"input": [round(float(number), 6) for number in value]}
        case "columns":
            return {"columns": {name: _readable(value[name]) for name in value.dtype.names}}
        case "image":
            return {}


def shown_images(predictions: Predictions, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return test images for examples.npz, beside the errors of validation.json; other inputs have none."""
    return {"worst_images": predictions.inputs[rows]} if predictions.info.kind == "image" else {}


def _readable(value: Any) -> str | float | None:  # noqa: ANN401  (a number or text of NumPy)
    if isinstance(value, str):
        return value or None
    return None if np.isnan(value) else float(f"{value:.7g}")
