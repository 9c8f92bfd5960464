"""Multi-label classifier: converts logits to probabilities and labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from penstock.config.targets import OUTPUTS
from penstock.models.common.base import ExportableModel, InputSpec


class MultilabelClassifier(ExportableModel):
    """Apply an input layer, then a network. `forward` maps processed inputs [N, *shape] to logits, float32 [N, labels].

    Args:
        takes: The processed inputs.
        inputs: The input layer.
        network: The layers after it, up to the logits.
    """

    outputs = OUTPUTS["labels"]

    def __init__(self, takes: InputSpec, inputs: nn.Module, network: nn.Module) -> None:
        super().__init__(takes)
        self.inputs = inputs
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(self.inputs(inputs))
        return logits

    def predict(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return probabilities, float32 [N, labels], and labels, int64 [N, labels] of 0 and 1."""
        probabilities = torch.sigmoid(self(inputs))
        return probabilities, (probabilities >= 0.5).long()
