"""Evaluate multi-label classifiers: F1 scores, exact matches, each label, and the worst errors."""

from __future__ import annotations

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

from penstock.config.models import MultilabelConfig
from penstock.data.sources.rows import RawSplit
from penstock.evaluation.readable_input import readable_input
from penstock.evaluation.results import Metric, Predictions, TaskResult
from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.base import ExportableModel

SHOWN_ERRORS = 24


def eval_inputs(test: RawSplit, processed: ArraySplit, _network: ExportableModel) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the test split, raw for the ONNX file and processed for the network."""
    return test.inputs, processed.inputs


def primary_metric(predictions: Predictions) -> Metric:
    found, truth, count = _labels(predictions)
    return Metric("macro_f1", _rounded(multilabel_f1_score(found, truth, count, average="macro")))


def evaluate(_model: MultilabelConfig, predictions: Predictions) -> TaskResult:
    found, truth, count = _labels(predictions)
    shares = torch.from_numpy(np.clip(np.nan_to_num(predictions.outputs["probabilities"]), 0, 1))
    baseline = predictions.evaluation_inputs.baseline_metrics()
    name, macro_f1 = primary_metric(predictions)
    return TaskResult(
        test={
            name: macro_f1,
            "micro_f1": _rounded(multilabel_f1_score(found, truth, count, average="micro")),
            "exact_match": _rounded(multilabel_exact_match(found, truth, count)),
            "auroc": _rounded(_auroc(shares, truth)),
            "loss": round(float(losses_of_rows(shares.numpy(), predictions.test.labels).mean()), 6),
        },
        baseline={name: baseline[name]},
        per_class=_label_metrics(predictions),
        examples={},
        details={"slices": {"label": _label_metrics(predictions)}, "worst_errors": _worst_errors(predictions)},
    )


def losses_of_rows(probabilities: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the binary cross-entropy of each row, mean over the labels, float64 [rows]."""
    right = np.where(labels > 0, probabilities.astype(np.float64), 1 - probabilities.astype(np.float64))
    losses: NDArray[np.float64] = -np.log(np.clip(right, np.finfo(np.float32).tiny, 1)).mean(axis=1)
    return losses


def _labels(predictions: Predictions) -> tuple[Tensor, Tensor, int]:
    found = torch.from_numpy(predictions.outputs["labels"])
    truth = torch.from_numpy(predictions.test.labels.astype(np.int64))
    return found, truth, len(predictions.info.classes)


def _auroc(shares: Tensor, truth: Tensor) -> Tensor:
    """Compute the mean over the labels that some rows have and others have not; 0 without such a label."""
    varies = (truth.min(dim=0).values == 0) & (truth.max(dim=0).values == 1)
    if not varies.any():
        return torch.zeros(())
    scores = multilabel_auroc(shares[:, varies], truth[:, varies], int(varies.sum()), average="none")
    return scores.reshape(-1).mean()


def _label_metrics(predictions: Predictions) -> list[dict[str, Any]]:
    found, truth, count = _labels(predictions)
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
        for number, name in enumerate(predictions.info.classes)
    ]


def _worst_errors(predictions: Predictions) -> list[dict[str, Any]]:
    """Return the wrong rows of the largest loss, in descending order."""
    labels, found = predictions.test.labels, predictions.outputs["labels"]
    losses = losses_of_rows(predictions.outputs["probabilities"], labels)
    wrong = np.flatnonzero((found != labels).any(axis=1))
    return [
        {
            "row": int(row),
            "actual": _names(labels[row], predictions),
            "predicted": _names(found[row], predictions),
            "error": round(float(losses[row]), 6),
        }
        | readable_input(predictions, int(row))
        for row in wrong[np.argsort(-losses[wrong], kind="stable")][:SHOWN_ERRORS]
    ]


def _names(labels: NDArray[Any], predictions: Predictions) -> str:
    named = zip(predictions.info.classes, labels, strict=True)
    return ", ".join(name for name, is_there in named if is_there) or "none"


def _rounded(value: Tensor) -> float:
    return round(float(value), 6)
