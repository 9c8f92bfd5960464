"""Evaluate multi-label classifiers: F1 scores, exact matches, each label, and the worst errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.models import MultilabelConfig
from penstock.data.sources.rows import RawSplit
from penstock.evaluation.label_metrics import label_metrics, losses_of_rows, macro_f1, scores_of_labels
from penstock.evaluation.readable_input import readable_input, shown_images
from penstock.evaluation.results import Metric, Predictions, TaskResult
from penstock.evaluation.slices import input_slices
from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.base import ExportableModel

SHOWN_ERRORS = 24


def eval_inputs(test: RawSplit, processed: ArraySplit, _network: ExportableModel) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the test split, raw for the ONNX file and processed for the network."""
    return test.inputs, processed.inputs


def primary_metric(predictions: Predictions) -> Metric:
    return Metric("macro_f1", macro_f1(predictions.outputs["labels"], predictions.test.labels))


def evaluate(_model: MultilabelConfig, predictions: Predictions) -> TaskResult:
    probabilities, predicted, labels = _arrays(predictions)
    name, score = primary_metric(predictions)
    by_label = scores_of_labels(predicted, labels, predictions.info.classes)
    worst = _worst_rows(predictions)

    def scores(rows: NDArray[np.bool_]) -> dict[str, float]:
        found = label_metrics(probabilities[rows], predicted[rows], labels[rows])
        return {name: macro_f1(predicted[rows], labels[rows]), "exact_match": found["exact_match"]}

    return TaskResult(
        test={name: score, **label_metrics(probabilities, predicted, labels)},
        baseline={name: predictions.evaluation_inputs.baseline_metrics()[name]},
        per_class=[{"label": row["slice"], **{key: row[key] for key in row if key != "slice"}} for row in by_label],
        examples=shown_images(predictions, worst),
        details={
            "slices": {"label": by_label} | input_slices(predictions.inputs, predictions.info, scores),
            "worst_errors": _described(predictions, worst),
        },
    )


def _arrays(predictions: Predictions) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    return predictions.outputs["probabilities"], predictions.outputs["labels"], predictions.test.labels


def _worst_rows(predictions: Predictions) -> NDArray[np.int64]:
    """Return the rows with a wrong label and the largest loss, in descending order."""
    probabilities, predicted, labels = _arrays(predictions)
    losses = losses_of_rows(probabilities, labels)
    wrong = np.flatnonzero((predicted != labels).any(axis=1))
    return wrong[np.argsort(-losses[wrong], kind="stable")][:SHOWN_ERRORS]


def _described(predictions: Predictions, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Describe rows for validation.json; the error is the binary cross-entropy."""
    probabilities, predicted, labels = _arrays(predictions)
    losses = losses_of_rows(probabilities, labels)
    return [
        {
            "row": row,
            "actual": _names(labels[row], predictions),
            "predicted": _names(predicted[row], predictions),
            "error": round(float(losses[row]), 6),
        }
        | readable_input(predictions, row)
        for row in rows.tolist()
    ]


def _names(labels: NDArray[Any], predictions: Predictions) -> str:
    named = zip(predictions.info.classes, labels, strict=True)
    return ", ".join(name for name, is_there in named if is_there) or "none"
