"""What makes a network a classifier: logits to probabilities, the same way in training, export and validation."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.base import ExportableModel, InputSpec

Loss = Literal["cross_entropy", "binary_cross_entropy", "mean_squared_error"]


class Classifier(ExportableModel):
    """An input layer and a network behind it.

    Forward: processed inputs [N, *shape] of the dataset's dtype to logits, float32 [N, C], or [N, 1] for the one
    sigmoid of a binary classifier.
    """

    outputs = ("probabilities", "label")

    def __init__(self, takes: InputSpec, inputs: nn.Module, network: nn.Module) -> None:
        super().__init__(takes)
        self.inputs = inputs
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(self.inputs(inputs))
        return logits

    def predict(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Probabilities float32 [N, C] and labels int64 [N]."""
        likely = probabilities(self(inputs))
        return likely, likely.argmax(dim=1)


def probabilities(logits: Tensor) -> Tensor:
    """Logits [N, C] or [N, 1] to probabilities [N, C]; one sigmoid becomes two classes."""
    if logits.shape[1] > 1:
        return torch.softmax(logits, dim=1)
    positive = torch.sigmoid(logits)
    return torch.cat([1 - positive, positive], dim=1)


def predicted(logits: Tensor) -> Tensor:
    """Logits [N, C] or [N, 1] to the index of the likeliest class, int64 [N]."""
    return logits.argmax(dim=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()


def output_width(loss: Loss, info: DatasetInfo) -> int:
    """How many logits a network needs.

    Raises:
        WrongSettingError: binary cross-entropy for a dataset that has not two classes.
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
