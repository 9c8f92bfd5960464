"""Layers that several networks share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from penstock.config.networks import Activation, Normalization


class Step(nn.Module):
    """Apply the step function: 1 above zero, else 0.

    The step has no useful gradient, so training uses a sigmoid instead.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.sigmoid(inputs) if self.training else (inputs > 0).to(inputs.dtype)


ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "step": Step,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
}


def dense_layers(
    width: int,
    hidden: Sequence[int],
    outputs: int,
    *,
    activation: Activation,
    normalization: Normalization | None = None,
    dropout: float = 0,
) -> list[nn.Module]:
    """Build dense layers: width -> each of `hidden` -> outputs.

    Each hidden layer is followed by normalization, activation and dropout. The output layer is followed by none.
    """
    layers: list[nn.Module] = []
    for size in hidden:
        layers.append(nn.Linear(width, size))
        if normalization:
            layers.append(nn.BatchNorm1d(size) if normalization == "batch" else nn.LayerNorm(size))
        layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = size
    return [*layers, nn.Linear(width, outputs)]


def glorot_dense(width: int, outputs: int) -> nn.Linear:
    """Build a dense layer initialized as in Keras: Glorot-uniform weights, zero bias (Glorot and Bengio, 2010)."""
    layer = nn.Linear(width, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def masked_mean(states_NTH: Tensor, real_NT: Tensor) -> Tensor:
    """Average states [N, T, H] over the steps where the mask [N, T] is true: [N, H]; 0 for rows without any."""
    real_NT1 = real_NT.unsqueeze(2).to(states_NTH.dtype)
    return (states_NTH * real_NT1).sum(dim=1) / real_NT1.sum(dim=1).clamp(min=1)


def masked_max(states_NTH: Tensor, real_NT: Tensor) -> Tensor:
    """Take the maximum of states [N, T, H] where the mask [N, T] is true: [N, H]; 0 for rows without any."""
    lowest = torch.finfo(states_NTH.dtype).min
    highest = states_NTH.masked_fill(~real_NT.unsqueeze(2), lowest).amax(dim=1)
    return torch.where(real_NT.any(dim=1, keepdim=True), highest, 0)
