"""Evaluate classifiers: metrics, slices, calibration, the confusion matrix, mistakes, and behaviour tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.models import ClassificationConfig
from penstock.data.sources.rows import RawSplit
from penstock.evaluation.behaviour.run import BehaviourResult, run_behaviour_tests
from penstock.evaluation.classifier_metrics import class_metrics, classifier_metrics, reliability
from penstock.evaluation.readable_input import readable_input
from penstock.evaluation.results import Metric, Predictions, TaskResult
from penstock.evaluation.slices import input_slices
from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.base import ExportableModel

SHOWN_MISTAKES = 24


def eval_inputs(test: RawSplit, processed: ArraySplit, _network: ExportableModel) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the test split, raw for the ONNX file and processed for the network."""
    return test.inputs, processed.inputs


def primary_metric(predictions: Predictions) -> Metric:
    correct = predictions.outputs["label"] == predictions.test.labels
    return Metric("accuracy", round(float(correct.mean()), 6))


def evaluate(_model: ClassificationConfig, predictions: Predictions) -> TaskResult:
    labels, predicted = predictions.test.labels, predictions.outputs["label"]
    probabilities = predictions.outputs["probabilities"]
    name, accuracy = primary_metric(predictions)
    mistakes = _mistakes(predictions)
    behaviour = run_behaviour_tests(predictions.evaluation_inputs.dataset.behaviour, predictions)
    return TaskResult(
        test={
            name: accuracy,
            "loss": round(_loss(probabilities, labels), 6),
            **classifier_metrics(probabilities, predicted, labels),
        },
        baseline={name: predictions.evaluation_inputs.baseline_metrics()[name]},
        per_class=confusion(labels, predicted, predictions.info.classes),
        examples=mistakes | _behaviour_images(behaviour),
        details={
            "slices": _slices(predictions),
            "reliability": reliability(probabilities, labels),
            "worst_errors": _described(mistakes, predictions),
            "behaviour": {test: result.report for test, result in behaviour.items()},
        },
    )


def confusion(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: Sequence[str]
) -> list[dict[str, str | int]]:
    """Count the test rows for each pair of actual and predicted class, including pairs that do not occur."""
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return [
        {"actual": classes[row], "predicted": classes[column], "count": int(count)}
        for (row, column), count in np.ndenumerate(counts)
    ]


def _loss(probabilities_NC: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Compute the mean cross-entropy; probabilities that float32 rounds to 0 are replaced by the smallest float."""
    correct = np.nan_to_num(probabilities_NC[np.arange(len(labels)), labels].astype(np.float64))
    return float(-np.log(np.clip(correct, np.finfo(np.float32).tiny, 1)).mean())


def _slices(predictions: Predictions) -> dict[str, list[dict[str, Any]]]:
    """Return the scores of each class, of texts by length, and of mixed tables by category."""
    labels, predicted = predictions.test.labels, predictions.outputs["label"]

    def scores(rows: NDArray[np.bool_]) -> dict[str, float]:
        return {
            "accuracy": round(float((predicted[rows] == labels[rows]).mean()), 6),
            "loss": round(_loss(predictions.outputs["probabilities"][rows], labels[rows]), 6),
        }

    by_class = class_metrics(predicted, labels, predictions.info.classes)
    return {"class": by_class} | input_slices(predictions.inputs, predictions.info, scores)


def _mistakes(predictions: Predictions) -> dict[str, NDArray[Any]]:
    """Return the wrong predictions with the highest confidence, in descending order; `rows` index the test split."""
    confidence, predicted = predictions.outputs["probabilities"].max(axis=1), predictions.outputs["label"]
    wrong = np.flatnonzero(predicted != predictions.test.labels)
    rows = wrong[np.argsort(-confidence[wrong], kind="stable")][:SHOWN_MISTAKES]
    mistakes = {
        "rows": rows,
        "labels": predictions.test.labels[rows],
        "predicted": predicted[rows],
        "confidence": confidence[rows],
    }
    return mistakes | ({"images": predictions.test.inputs[rows]} if predictions.info.kind == "image" else {})


def _described(mistakes: Mapping[str, NDArray[Any]], predictions: Predictions) -> list[dict[str, Any]]:
    """Describe mistakes for validation.json; images are in examples.npz."""
    classes = predictions.info.classes
    columns = (mistakes[name].tolist() for name in ("rows", "labels", "predicted", "confidence"))
    return [
        {"row": row, "actual": classes[label], "predicted": classes[predicted], "probability": round(confidence, 6)}
        | readable_input(predictions, row)
        for row, label, predicted, confidence in zip(*columns, strict=True)
    ]


def _behaviour_images(behaviour: Mapping[str, BehaviourResult]) -> dict[str, NDArray[Any]]:
    return {f"behaviour_{name}": result.images for name, result in behaviour.items() if result.images is not None}
