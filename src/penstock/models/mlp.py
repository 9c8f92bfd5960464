"""Multilayer perceptron: fully connected layers.

iris_mlp: 4 -> Dense 10 ReLU -> Dense 3 softmax, 83 parameters as documented. Its results are in docs/models.md.
`dvc repro validate@iris_mlp` reproduces them.
"""

from __future__ import annotations

from math import prod

from torch import nn

from penstock.config.networks import MlpConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.layers import dense_layers


def build(settings: MlpConfig, info: DatasetInfo, outputs: int) -> nn.Module:
    """Build hidden layers from flattened inputs [N, ...] to logits, float32 [N, outputs].

    Raises:
        WrongSettingError: The inputs are texts: word ids are not quantities.
    """
    if info.kind == "text":
        raise WrongSettingError("network.kind", f"mlp needs numbers or pixels, {info.dataset} has text inputs")
    width = prod(info.shape)
    layers = dense_layers(
        width,
        settings.hidden_sizes,
        outputs,
        activation=settings.activation,
        normalization=settings.normalization,
        dropout=settings.dropout,
    )
    return nn.Sequential(nn.Flatten(), *layers)
