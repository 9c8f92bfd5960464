"""Fully connected layers.

iris_mlp: 4 -> Dense 10 ReLU -> Dense 3 softmax, 83 parameters as documented. docs/models.md has what it measures.
`dvc repro validate@iris_mlp`
"""

from __future__ import annotations

from math import prod

from torch import nn

from penstock.config.networks import MlpConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.layers import dense_layers


def build(settings: MlpConfig, info: DatasetInfo, outputs: int) -> nn.Module:
    """[N, ...] flattened -> hidden layers -> logits [N, outputs].

    Raises:
        WrongSettingError: the inputs are texts, whose word ids are no quantities.
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
