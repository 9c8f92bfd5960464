"""Classifier: converts logits to probabilities in the same way for training, export and validation."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from penstock.config.targets import OUTPUTS
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.base import Predictor

Loss = Literal["cross_entropy", "binary_cross_entropy", "mean_squared_error"]


class Classifier(Predictor):
    """Predict one class. `forward` returns logits, float32 [N, C]; those of one sigmoid are [N, 1]."""

    outputs = OUTPUTS["class"]

    def predict(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return probabilities, float32 [N, C], and labels, int64 [N]."""
        likely = probabilities(self(inputs))
        return likely, likely.argmax(dim=1)


def probabilities(logits: Tensor) -> Tensor:
    """Convert logits [N, C] or [N, 1] to probabilities [N, C]; one sigmoid gives two classes."""
    if logits.shape[1] > 1:
        return torch.softmax(logits, dim=1)
    positive = torch.sigmoid(logits)
    return torch.cat([1 - positive, positive], dim=1)


def predicted(logits: Tensor) -> Tensor:
    """Return the index of the most probable class, int64 [N], from logits [N, C] or [N, 1]."""
    return logits.argmax(dim=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()


def output_width(loss: Loss, info: DatasetInfo) -> int:
    """Return the number of logits that a loss needs.

    Raises:
        WrongSettingError: The loss is binary cross-entropy and the dataset does not have two classes.
    """
    classes = len(info.classes)
    if loss != "binary_cross_entropy":
        return classes
    if classes != 2:
        raise WrongSettingError(
            "training.loss",
            f"binary_cross_entropy needs two classes, {info.dataset} has {classes}; use cross_entropy",
        )
    return 1
