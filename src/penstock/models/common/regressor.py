"""Regressor: a network whose outputs are standardized targets, and their unit in the exported file."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from penstock.config.targets import OUTPUTS
from penstock.models.common.base import InputSpec, Predictor
from penstock.models.common.fitted import FittedLayer


class Regressor(Predictor, FittedLayer):
    """Predict numbers. `forward` returns standardized targets, float32 [N, targets].

    Args:
        takes: The processed inputs.
        inputs: The input layer.
        network: The layers after it, float32 [N, targets].
        targets: Number of targets.
    """

    outputs = OUTPUTS["number"]

    def __init__(self, takes: InputSpec, inputs: nn.Module, network: nn.Module, targets: int) -> None:
        super().__init__(takes, inputs, network)
        self.mean: Tensor
        self.standard_deviation: Tensor
        self.register_buffer("mean", torch.zeros(targets))
        self.register_buffer("standard_deviation", torch.ones(targets))

    def fit(self, inputs: Tensor, labels: Tensor) -> None:
        """Estimate mean and standard deviation of the targets; constant targets are only centered."""
        exact = labels.double()
        deviation = exact.std(dim=0, correction=0)
        self.mean.copy_(exact.mean(dim=0))
        self.standard_deviation.copy_(torch.where(deviation > 0, deviation, 1.0))

    def standardized(self, labels: Tensor) -> Tensor:
        """Return targets in their units, [N, targets], as `forward` predicts them."""
        return (labels - self.mean) / self.standard_deviation

    def predict(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the targets in their units, float32 [N, targets]."""
        return (self(inputs) * self.standard_deviation + self.mean,)
