"""Metrics of a classifier's probabilities by torchmetrics, also by class and by confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_auroc,
    multiclass_calibration_error,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

BINS = 15  # of the calibration error and of the reliability diagram, of equal width

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]


def classifier_metrics(probabilities_NC: Probabilities, predicted: Labels, labels: Labels) -> dict[str, float]:
    """Compute the metrics of `test` in validation.json besides accuracy and loss.

    Classes without a row count in no mean and in no minimum.

    Args:
        probabilities_NC: Probability of each class, float32 [N, C]; NaN counts as 0.
        predicted: Predicted class, int64 [N].
        labels: True class, int64 [N].

    Returns:
        Metrics by name, rounded to 6 digits.
    """
    classes = probabilities_NC.shape[1]
    # torchmetrics takes values outside 0..1 for logits, and would apply softmax to all rows.
    shares = torch.from_numpy(np.clip(np.nan_to_num(probabilities_NC), 0, 1))
    found, truth, present = map(torch.from_numpy, (predicted, labels, np.unique(labels)))
    metrics = {
        "macro_f1": multiclass_f1_score(found, truth, classes, average="none")[present].mean(),
        "auroc": multiclass_auroc(shares, truth, classes, average="none")[present].mean(),
        "expected_calibration_error": multiclass_calibration_error(shares, truth, classes, n_bins=BINS),
        "smallest_class_precision": multiclass_precision(found, truth, classes, average="none")[present].min(),
        "smallest_class_recall": multiclass_recall(found, truth, classes, average="none")[present].min(),
    }
    return {name: _rounded(value) for name, value in metrics.items()}


def class_metrics(predicted: Labels, labels: Labels, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Compute rows, precision, recall and F1 score of each class that has rows."""
    found, truth = torch.from_numpy(predicted), torch.from_numpy(labels)
    columns = {
        name: metric(found, truth, len(classes), average="none")
        for name, metric in (
            ("precision", multiclass_precision),
            ("recall", multiclass_recall),
            ("f1", multiclass_f1_score),
        )
    }
    counts = np.bincount(labels, minlength=len(classes))
    return [
        {"slice": name, "rows": int(counts[number])}
        | {column: _rounded(values[number]) for column, values in columns.items()}
        for number, name in enumerate(classes)
        if counts[number]
    ]


def reliability(probabilities_NC: Probabilities, labels: Labels) -> list[dict[str, Any]]:
    """Compute the bins of the reliability diagram: mean confidence and accuracy of the rows in each bin with rows.

    The confidence is the highest probability of a row. The bins are those of the expected calibration error, but for
    a confidence of exactly 1, which torchmetrics gives a bin of its own.
    """
    shares = np.nan_to_num(probabilities_NC)
    confidence, correct = shares.max(axis=1), shares.argmax(axis=1) == labels
    edges = np.linspace(0, 1, BINS + 1, dtype=np.float32)
    numbers = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, BINS - 1)
    return [
        {
            "from": round(number / BINS, 6),
            "to": round((number + 1) / BINS, 6),
            "rows": int((numbers == number).sum()),
            "confidence": round(float(confidence[numbers == number].mean(dtype=np.float64)), 6),
            "accuracy": round(float(correct[numbers == number].mean()), 6),
        }
        for number in np.unique(numbers).tolist()
    ]


def _rounded(value: Tensor) -> float:
    return round(float(value), 6)
