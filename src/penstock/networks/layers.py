"""Pieces that more than one network is made of."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from penstock.config import Activation

ACTIVATIONS: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def dense_layers(width: int, hidden: Sequence[int], outputs: int, activation: Activation) -> list[nn.Module]:
    """width -> each of `hidden`, activated -> outputs, not activated."""
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Linear(width, size), ACTIVATIONS[activation]()]
        width = size
    return [*layers, nn.Linear(width, outputs)]


def glorot_dense(width: int, outputs: int) -> nn.Linear:
    """A dense layer that begins as Keras' do: Glorot-uniform weights, a bias of zero (Glorot and Bengio, 2010)."""
    layer = nn.Linear(width, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
