"""The same questions to the exported file and to the trained network."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from penstock.models.common.base import ExportableModel

BATCH_SIZES = (1, 7, 256)

# Outputs by name, each [rows, ...].
Answers = dict[str, NDArray[Any]]


def exported_answers(session: onnxruntime.InferenceSession, inputs: NDArray[Any], batch_size: int) -> Answers:
    """All rows of raw inputs through the session, `batch_size` at a time."""
    name = session.get_inputs()[0].name
    names = [output.name for output in session.get_outputs()]
    batches = [
        session.run(names, {name: inputs[start : start + batch_size]}) for start in range(0, len(inputs), batch_size)
    ]
    return {name: np.concatenate(parts) for name, parts in zip(names, zip(*batches, strict=True), strict=True)}


def trained_answers(network: ExportableModel, inputs: NDArray[Any]) -> Answers:
    """All rows of processed inputs through the network."""
    network.eval()
    size = BATCH_SIZES[-1]
    with torch.inference_mode():
        batches = [
            network.predict(torch.from_numpy(np.array(inputs[start : start + size])))
            for start in range(0, len(inputs), size)
        ]
    columns = zip(network.outputs, zip(*batches, strict=True), strict=True)
    return {name: torch.cat(parts).numpy() for name, parts in columns}


def difference(one: Answers, other: Answers) -> float:
    """The largest difference of any number but a label; what is no number is as wrong as can be."""
    largest = 0.0
    for name in one.keys() - {"label"}:
        differences = np.abs(one[name].astype(np.float32) - other[name].astype(np.float32))
        largest = max(largest, float(np.where(np.isfinite(differences), differences, np.finfo(np.float32).max).max()))
    return largest
