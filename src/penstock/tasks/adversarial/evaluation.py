"""Generators: how far what they draw is from real images, in the eyes of a classifier of ours.

The Frechet distance of the judge's features (Heusel et al., 2017, arXiv:1706.08500) says how different the two sets
are, the shares of the classes whether one is forgotten, and the judge's confidence whether the images are clear.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.config.models import AdversarialConfig
from penstock.data.datasets.base import RawSplit
from penstock.evaluation.frechet import Statistics, class_shares, frechet_distance, impression
from penstock.evaluation.parity import Answers, exported_answers, trained_answers
from penstock.evaluation.results import Check, Metric, Predictions, TaskResult
from penstock.evaluation.session import open_model
from penstock.io.processed_dataset import ArraySplit
from penstock.models.build import build_network
from penstock.models.common.base import ExportableModel

SHOWN = 64
JUDGED_AT_ONCE = 256


def eval_inputs(test: RawSplit, _processed: ArraySplit, network: ExportableModel) -> tuple[NDArray[Any], NDArray[Any]]:
    """Noise, as many rows as there are test images; the file and the network take the same."""
    noise = _noise(len(test.labels), network)
    return noise, noise


def primary_metric(predictions: Predictions) -> Metric:
    distance = _distance(predictions, _seen(predictions, predictions.answers["image"]))
    return Metric("frechet_distance", round(distance, 4), greater_is_better=False)


def evaluate(model: AdversarialConfig, predictions: Predictions) -> TaskResult:
    drawn = _seen(predictions, predictions.answers["image"])
    untrained = _seen(predictions, _untrained_images(model, predictions))
    distance = _distance(predictions, drawn)
    ratio = distance / _distance(predictions, untrained)
    seen = impression(drawn["probabilities"])
    shares = zip(predictions.info.classes, class_shares(drawn["probabilities"]), strict=True)
    return TaskResult(
        test={
            "frechet_distance": round(distance, 4),
            "frechet_ratio": round(ratio, 6),
            **seen,
            "class_shares": {name: round(float(share), 6) for name, share in shares},
        },
        baseline=predictions.evaluation_inputs.baseline_figures(),
        checks={
            "frechet_ratio": Check(round(ratio, 6), model.gates.frechet_ratio, at_least=False),
            "class_share": Check(seen["smallest_class_share"], model.gates.class_share, at_least=True),
        },
        examples={"images": predictions.answers["image"][:SHOWN], **predictions.evaluation_inputs.shown},
    )


def _seen(predictions: Predictions, images: NDArray[np.uint8]) -> Answers:
    """The judge's features and probabilities of images."""
    return exported_answers(open_model(predictions.evaluation_inputs.baseline / "judge.onnx"), images, JUDGED_AT_ONCE)


def _distance(predictions: Predictions, seen: Answers) -> float:
    """From the judge's features of the real test images."""
    return frechet_distance(Statistics.of(seen["features"]), Statistics.load(predictions.evaluation_inputs.baseline))


def _untrained_images(model: AdversarialConfig, predictions: Predictions) -> NDArray[np.uint8]:
    """What the generator drew before it was trained, from the same noise."""
    with torch.random.fork_rng():
        torch.manual_seed(model.training.seed)
        untrained = build_network(model, predictions.info)
    images: NDArray[np.uint8] = trained_answers(untrained, _noise(len(predictions.test.labels), untrained))["image"]
    return images


def _noise(rows: int, network: ExportableModel) -> NDArray[np.float32]:
    """Always the same, so that every generator is judged by the same questions."""
    return np.random.default_rng(0).standard_normal((rows, *network.input_spec.shape), dtype=np.float32)
