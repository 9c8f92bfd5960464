"""Compare the outputs of the exported file with those of the trained network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.evaluation.session import BATCH_SIZES, Outputs
from penstock.models.common.base import ExportableModel
from penstock.models.common.regressor import Regressor

LABELS = {"label", "labels"}
STEPS = 1_000_000  # in which a difference of 1 is reported


def network_outputs(network: ExportableModel, inputs: NDArray[Any], size: int = BATCH_SIZES[-1]) -> Outputs:
    """Run all rows of processed inputs [rows, *shape] through the network, in batches of `size`."""
    network.eval()
    with torch.inference_mode():
        batches = [
            network.predict(torch.from_numpy(np.array(inputs[start : start + size])))
            for start in range(0, len(inputs), size)
        ]
    columns = zip(network.outputs, zip(*batches, strict=True), strict=True)
    return {name: torch.cat(parts).numpy() for name, parts in columns}


def max_abs_diff(one: Outputs, other: Outputs) -> float:
    """Return the largest absolute difference over all outputs except labels, rounded up to a whole 1e-6.

    Digits below differ between processors, and would make reports differ whose answers agree. NaN and infinity count
    as the largest float32.
    """
    largest = 0.0
    for name in one.keys() - LABELS:
        differences = np.abs(one[name].astype(np.float32) - other[name].astype(np.float32))
        largest = max(largest, float(np.where(np.isfinite(differences), differences, np.finfo(np.float32).max).max()))
    return math.ceil(largest * STEPS) / STEPS


def agreement(one: Outputs, other: Outputs) -> float:
    """Return the share of rows with the same label, or with the same labels."""
    (name,) = one.keys() & LABELS
    same = one[name] == other[name]
    return float(same.reshape(len(same), -1).all(axis=1).mean())


def in_deviations(outputs: Outputs, network: ExportableModel) -> Outputs:
    """Return predicted numbers in standard deviations of their targets; other outputs are as they are."""
    if not isinstance(network, Regressor):
        return outputs
    return {name: values / network.standard_deviation.numpy() for name, values in outputs.items()}
