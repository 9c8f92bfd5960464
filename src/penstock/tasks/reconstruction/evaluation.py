"""Evaluate autoencoders: error and similarity of reconstructions, and the shift of the latent vector.

`penstock.export.latent_shift` explains the shift.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.config.models import ReconstructionConfig
from penstock.data.sources.rows import RawSplit
from penstock.evaluation.image_similarity import structural_similarity
from penstock.evaluation.parity import max_abs_diff
from penstock.evaluation.results import Metric, Predictions, TaskResult
from penstock.evaluation.session import Outputs
from penstock.export.latent_shift import LATENT, LATENT_SHIFT
from penstock.io.processed_dataset import ArraySplit
from penstock.models.autoencoder import Autoencoder
from penstock.models.common.base import ExportableModel

SHOWN_PAIRS = 12
SHIFTED_ROWS = 256


def eval_inputs(test: RawSplit, processed: ArraySplit, _network: ExportableModel) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the test split, raw for the ONNX file and processed for the network."""
    return test.inputs, processed.inputs


def primary_metric(predictions: Predictions) -> Metric:
    return Metric("mean_squared_error", round(float(_squared_errors(predictions).mean()), 6))


def evaluate(_model: ReconstructionConfig, predictions: Predictions) -> TaskResult:
    name, error = primary_metric(predictions)
    similarity = _similarity(predictions)
    worst = _worst_rows(predictions)
    return TaskResult(
        test={name: error, "ssim": round(float(similarity.mean()), 6)},
        baseline={name: predictions.evaluation_inputs.baseline_metrics()[name]},
        per_class=_errors_by_class(predictions),
        examples={
            "images": predictions.test.inputs[:SHOWN_PAIRS],
            "reconstructions": predictions.outputs["reconstruction"][:SHOWN_PAIRS],
            "worst_images": predictions.test.inputs[worst],
            "worst_reconstructions": predictions.outputs["reconstruction"][worst],
        },
        parity={
            "latent_shift": _difference_when_shifted(predictions),
            "latent_shift_by_zeros": _difference_when_shifted_by_zeros(predictions),
        },
        details={"slices": {"class": _slices(predictions, similarity)}, "worst_errors": _described(predictions, worst)},
    )


def _squared_errors(predictions: Predictions) -> NDArray[np.float64]:
    """Compute the squared error of every pixel, on a scale of 0..1, float64 [rows, height, width]."""
    reconstructed = predictions.outputs["reconstruction"].astype(np.float64)
    errors: NDArray[np.float64] = np.square(reconstructed - predictions.test.inputs / 255)
    return errors


def _errors_by_class(predictions: Predictions) -> list[dict[str, str | float]]:
    errors, labels = _squared_errors(predictions), predictions.test.labels
    return [
        {"class": name, "mean_squared_error": round(float(errors[labels == label].mean()), 6)}
        for label, name in enumerate(predictions.info.classes)
        if (labels == label).any()
    ]


def _similarity(predictions: Predictions) -> NDArray[np.float64]:
    """Compute the structural similarity of each image and its reconstruction, float64 [rows]."""
    images = (predictions.test.inputs / 255).astype(np.float32)
    return structural_similarity(predictions.outputs["reconstruction"], images)


def _slices(predictions: Predictions, similarity: NDArray[np.float64]) -> list[dict[str, Any]]:
    labels = predictions.test.labels
    return [
        {"slice": row["class"], "rows": int((labels == label).sum())}
        | {"mean_squared_error": row["mean_squared_error"], "ssim": round(float(similarity[labels == label].mean()), 6)}
        for label, row in zip(np.unique(labels), _errors_by_class(predictions), strict=True)
    ]


def _worst_rows(predictions: Predictions) -> NDArray[np.int64]:
    """Return the test rows with the largest error, in descending order."""
    errors = _squared_errors(predictions).mean(axis=(1, 2))
    return np.argsort(-errors, kind="stable")[:SHOWN_PAIRS]


def _described(predictions: Predictions, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    errors, labels = _squared_errors(predictions)[rows].mean(axis=(1, 2)), predictions.test.labels[rows]
    return [
        {"row": row, "actual": predictions.info.classes[label], "mean_squared_error": round(error, 6)}
        for row, label, error in zip(rows.tolist(), labels, errors.tolist(), strict=True)
    ]


def _difference_when_shifted_by_zeros(predictions: Predictions) -> float:
    """Return the largest difference that a shift of zeros makes; it must be 0."""
    unshifted = _shifted(predictions)
    return max_abs_diff(_shifted(predictions, np.zeros_like(unshifted[LATENT][:1])), unshifted)


def _difference_when_shifted(predictions: Predictions) -> float:
    """Return the largest difference to the network's decoder, for one shift per row and for one shift for all rows."""
    latent = _shifted(predictions)[LATENT]
    row_shifts = np.random.default_rng(0).standard_normal(latent.shape, dtype=np.float32)
    return max(
        max_abs_diff(_shifted(predictions, shift), _decoded(predictions, latent, shift))
        for shift in (row_shifts, row_shifts[:1])
    )


def _shifted(predictions: Predictions, shift: NDArray[np.float32] | None = None) -> Outputs:
    """Run the ONNX file on the first test images, with a shift of the latent vector if one is given."""
    session = predictions.session
    names = [output.name for output in session.get_outputs()]
    feed = {session.get_inputs()[0].name: predictions.test.inputs[:SHIFTED_ROWS]}
    if shift is not None:
        feed[LATENT_SHIFT] = shift
    return dict(zip(names, session.run(names, feed), strict=True))


def _decoded(predictions: Predictions, latent: NDArray[np.float32], shift: NDArray[np.float32]) -> Outputs:
    assert isinstance(predictions.network, Autoencoder)
    with torch.inference_mode():
        images = predictions.network.decode(torch.from_numpy(latent + shift))
    return {LATENT: latent, "reconstruction": images.numpy()}
