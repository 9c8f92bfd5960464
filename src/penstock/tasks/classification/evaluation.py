"""Classifiers: the share of right answers, and which classes are mistaken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.models import ClassificationConfig
from penstock.data.datasets.base import RawSplit
from penstock.evaluation.results import Check, Metric, Predictions, TaskResult
from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.base import ExportableModel

SHOWN_MISTAKES = 24


def eval_inputs(test: RawSplit, processed: ArraySplit, _network: ExportableModel) -> tuple[NDArray[Any], NDArray[Any]]:
    """The test split, raw for the file and processed for the network."""
    return test.inputs, processed.inputs


def primary_metric(predictions: Predictions) -> Metric:
    right = predictions.answers["label"] == predictions.test.labels
    return Metric("accuracy", round(float(right.mean()), 6), greater_is_better=True)


def evaluate(model: ClassificationConfig, predictions: Predictions) -> TaskResult:
    likely, answered, labels = (
        predictions.answers["probabilities"],
        predictions.answers["label"],
        predictions.test.labels,
    )
    name, accuracy, _ = primary_metric(predictions)
    checks = {name: Check(accuracy, model.gates.accuracy, at_least=True)}
    if model.gates.cross_validation is not None:
        mean = predictions.evaluation_inputs.training["folds"]["mean"]
        checks["cross_validation"] = Check(mean, model.gates.cross_validation, at_least=True)
    return TaskResult(
        test={name: accuracy, "loss": round(_loss(likely, labels), 6)},
        baseline={"accuracy": predictions.evaluation_inputs.baseline_figures()["accuracy"]},
        checks=checks,
        examples=_mistakes(predictions),
        details={"confusion": confusion(labels, answered, predictions.info.classes)},
    )


def confusion(labels: NDArray[np.int64], answered: NDArray[np.int64], classes: Sequence[str]) -> list[list[int]]:
    """How often each class (rows) was answered as each class (columns)."""
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (labels, answered), 1)
    table: list[list[int]] = counts.tolist()
    return table


def _loss(likely: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Mean cross-entropy of the probabilities; float32 can give 0, whose logarithm is no number."""
    right = np.nan_to_num(likely[np.arange(len(labels)), labels].astype(np.float64))
    return float(-np.log(np.clip(right, np.finfo(np.float32).tiny, 1)).mean())


def _mistakes(predictions: Predictions) -> dict[str, NDArray[Any]]:
    """The wrong answers that were given with the most confidence, in that order; `rows` count in the test split."""
    likely, answered = predictions.answers["probabilities"].max(axis=1), predictions.answers["label"]
    wrong = np.flatnonzero(answered != predictions.test.labels)
    rows = wrong[np.argsort(-likely[wrong], kind="stable")][:SHOWN_MISTAKES]
    mistakes = {
        "rows": rows,
        "labels": predictions.test.labels[rows],
        "answered": answered[rows],
        "confidence": likely[rows],
    }
    return mistakes | ({"images": predictions.test.inputs[rows]} if predictions.info.kind == "image" else {})
