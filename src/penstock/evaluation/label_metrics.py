"""Metrics of a multi-label classifier's probabilities and labels by torchmetrics, also by label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.classification import (
    multilabel_auroc,
    multilabel_exact_match,
    multilabel_f1_score,
    multilabel_precision,
    multilabel_recall,
)

Labels = NDArray[Any]
"""0 and 1, [N, L]."""
Probabilities = NDArray[np.float32]


def macro_f1(predicted: Labels, labels: Labels) -> float:
    """Compute the mean of the labels' F1 scores; that of a label that is neither there nor predicted is 0."""
    found, truth, count = _tensors(predicted, labels)
    return _rounded(multilabel_f1_score(found, truth, count, average="macro"))


def label_metrics(probabilities_NL: Probabilities, predicted: Labels, labels: Labels) -> dict[str, float]:
    """Compute the metrics of `test` in validation.json besides macro F1.

    Args:
        probabilities_NL: Probability of each label, float32 [N, L]; NaN counts as 0.
        predicted: Predicted labels, int64 [N, L].
        labels: True labels, float32 [N, L].

    Returns:
        Metrics by name, rounded to 6 digits.
    """
    found, truth, count = _tensors(predicted, labels)
    return {
        "micro_f1": _rounded(multilabel_f1_score(found, truth, count, average="micro")),
        "exact_match": _rounded(multilabel_exact_match(found, truth, count)),
        "auroc": _rounded(_auroc(probabilities_NL, truth)),
        "loss": round(float(losses_of_rows(probabilities_NL, labels).mean()), 6),
    }


def scores_of_labels(predicted: Labels, labels: Labels, names: Sequence[str]) -> list[dict[str, Any]]:
    """Compute the number of rows with each label, and its precision, recall and F1 score."""
    found, truth, count = _tensors(predicted, labels)
    columns = {
        name: metric(found, truth, count, average="none").reshape(-1)
        for name, metric in (
            ("precision", multilabel_precision),
            ("recall", multilabel_recall),
            ("f1", multilabel_f1_score),
        )
    }
    rows = truth.sum(dim=0)
    return [
        {"slice": name, "rows": int(rows[number])}
        | {column: _rounded(values[number]) for column, values in columns.items()}
        for number, name in enumerate(names)
    ]


def losses_of_rows(probabilities_NL: Probabilities, labels: Labels) -> NDArray[np.float64]:
    """Compute the binary cross-entropy of each row, mean over the labels, float64 [N].

    Probabilities of a right answer that float32 rounds to 0 are replaced by the smallest float.
    """
    shares = np.nan_to_num(probabilities_NL).astype(np.float64)
    right = np.where(labels > 0, shares, 1 - shares)
    losses: NDArray[np.float64] = -np.log(np.clip(right, np.finfo(np.float32).tiny, 1)).mean(axis=1)
    return losses


def _auroc(probabilities_NL: Probabilities, truth: Tensor) -> Tensor:
    """Compute the mean over the labels that some rows have and others have not; 0 without such a label."""
    # torchmetrics takes values outside 0..1 for logits, and would apply the sigmoid function to all rows.
    shares = torch.from_numpy(np.clip(np.nan_to_num(probabilities_NL), 0, 1))
    varies = (truth.min(dim=0).values == 0) & (truth.max(dim=0).values == 1)
    if not varies.any():
        return torch.zeros(())
    scores = multilabel_auroc(shares[:, varies], truth[:, varies], int(varies.sum()), average="none")
    return scores.reshape(-1).mean()


def _tensors(predicted: Labels, labels: Labels) -> tuple[Tensor, Tensor, int]:
    return torch.from_numpy(predicted), torch.from_numpy(labels.astype(np.int64)), labels.shape[1]


def _rounded(value: Tensor) -> float:
    return round(float(value), 6)
