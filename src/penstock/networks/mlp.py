"""Fully connected layers.

iris_mlp: 4 -> Dense 10 ReLU -> Dense 3 softmax, 83 parameters as documented. `dvc repro validate@iris_mlp`
"""

from __future__ import annotations

from math import prod

from torch import nn

from penstock.config import Mlp
from penstock.manifest import Manifest
from penstock.networks.layers import dense_layers


def build(settings: Mlp, manifest: Manifest, outputs: int) -> nn.Module:
    """[N, ...] flattened -> hidden layers -> logits [N, outputs]."""
    width = prod(manifest.shape)
    return nn.Sequential(nn.Flatten(), *dense_layers(width, settings.hidden, outputs, settings.activation))
