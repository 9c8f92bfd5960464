"""Evaluate generators: compare generated with real images by the features of a reference classifier.

The Frechet distance of the features measures the difference of the two sets (`penstock.evaluation.frechet`). The share
of the rarest class shows mode collapse. The mean confidence shows whether the images are sharp. Precision and recall
(`penstock.evaluation.sample_metrics`) tell whether images look real, and whether they cover the real ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.config.models import AdversarialConfig
from penstock.data.sources.rows import RawSplit
from penstock.evaluation.frechet import REFERENCE, Statistics, class_shares, frechet_distance, image_quality
from penstock.evaluation.parity import network_outputs
from penstock.evaluation.results import Metric, Predictions, TaskResult
from penstock.evaluation.sample_metrics import ROWS, precision_and_recall
from penstock.evaluation.session import Outputs, onnx_outputs, open_model
from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.base import ExportableModel
from penstock.models.common.build import build_network

SHOWN_IMAGES = 64
BATCH_SIZE = 256


def eval_inputs(test: RawSplit, _processed: ArraySplit, network: ExportableModel) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return noise, one row per test image, for both the ONNX file and the network."""
    noise = _noise(len(test.labels), network)
    return noise, noise


def primary_metric(predictions: Predictions) -> Metric:
    distance = _distance(predictions, _classified(predictions, predictions.outputs["image"]))
    return Metric("frechet_distance", round(distance, 4))


def evaluate(model: AdversarialConfig, predictions: Predictions) -> TaskResult:
    generated = _classified(predictions, predictions.outputs["image"])
    untrained = _classified(predictions, _untrained_images(model, predictions))
    distance = _distance(predictions, generated)
    return TaskResult(
        test={
            "frechet_distance": round(distance, 4),
            "frechet_ratio": round(distance / _distance(predictions, untrained), 6),
            **image_quality(generated["probabilities"]),
            **_precision_and_recall(predictions, generated),
        },
        baseline=predictions.evaluation_inputs.baseline_metrics(),
        per_class=_shares(predictions, generated),
        examples={"images": predictions.outputs["image"][:SHOWN_IMAGES], **predictions.evaluation_inputs.artifacts},
    )


def _classified(predictions: Predictions, images: NDArray[np.uint8]) -> Outputs:
    """Return the features and probabilities that the reference classifier computes for images."""
    return onnx_outputs(open_model(predictions.evaluation_inputs.baseline / REFERENCE), images, BATCH_SIZE)


def _distance(predictions: Predictions, classified: Outputs) -> float:
    """Return the Frechet distance from the real test images."""
    real = Statistics.load(predictions.evaluation_inputs.baseline)
    return frechet_distance(Statistics.of(classified["features"]), real)


def _precision_and_recall(predictions: Predictions, generated: Outputs) -> dict[str, float]:
    """Compare a part of the generated images with real test images, evenly spread over the split."""
    count = len(predictions.test.inputs)
    rows = np.arange(min(count, ROWS)) * max(count, ROWS) // ROWS
    real = _classified(predictions, predictions.test.inputs[rows])
    return precision_and_recall(real["features"], generated["features"][:ROWS])


def _shares(predictions: Predictions, generated: Outputs) -> list[dict[str, str | float]]:
    """Return the share of each class among real test images, by label, and among generated images."""
    classes = predictions.info.classes
    real = np.bincount(predictions.test.labels, minlength=len(classes)) / len(predictions.test.labels)
    return [
        {"class": name, "images": images, "share": round(float(share), 6)}
        for images, shares in (("real", real), ("generated", class_shares(generated["probabilities"])))
        for name, share in zip(classes, shares, strict=True)
    ]


def _untrained_images(model: AdversarialConfig, predictions: Predictions) -> NDArray[np.uint8]:
    """Generate images with the untrained generator, from the same noise."""
    with torch.random.fork_rng():
        torch.manual_seed(model.training.seed)
        untrained = build_network(model, predictions.info)
    images: NDArray[np.uint8] = network_outputs(untrained, _noise(len(predictions.test.labels), untrained))["image"]
    return images


def _noise(rows: int, network: ExportableModel) -> NDArray[np.float32]:
    """Return noise [rows, latent_dim] from a fixed seed, so that generators can be compared."""
    return np.random.default_rng(0).standard_normal((rows, *network.input_spec.shape), dtype=np.float32)
