"""Convolutional network: convolutions with pooling, then dense layers.

mnist_cnn: conv 3x3x32 ReLU, max-pool 2, conv 3x3x64 ReLU, max-pool 2, flatten, Dense 10; 34,826 parameters as
documented. The results of each model are in docs/models.md. `dvc repro validate@mnist_cnn` reproduces them.
"""

from __future__ import annotations

from torch import nn

from penstock.config.networks import ConvolutionalConfig, Normalization
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.layers import ACTIVATIONS, dense_layers


def build(settings: ConvolutionalConfig, info: DatasetInfo, outputs: int) -> nn.Module:
    """Build blocks of convolution, pooling and activation, then dense layers, from [N, channels, height, width].

    With valid padding, as in the documented model, each convolution reduces height and width by kernel_size - 1.

    Raises:
        WrongSettingError: The inputs are not images, or a block reduces the image to nothing.
    """
    if info.kind != "image":
        raise WrongSettingError("network.kind", f"convolutional needs images, {info.dataset} has {info.kind} inputs")
    layers: list[nn.Module] = []
    height, width, channels = (*info.shape, 1)[:3]
    lost = settings.kernel_size - 1 if settings.padding == "valid" else 0
    for number, block in enumerate(settings.blocks):
        layers.append(nn.Conv2d(channels, block.filters, settings.kernel_size, padding=settings.padding))
        if settings.normalization:
            layers.append(_normalization(settings.normalization, block.filters))
        # All activations are monotonic, so pooling before the activation gives the same result. With 2 x 2 pooling,
        # it also leaves only a quarter of the activations to compute.
        if block.pool > 1:
            layers.append(nn.MaxPool2d(block.pool))
        layers.append(ACTIVATIONS[settings.activation]())
        if block.pool > 1 and settings.block_dropout:
            layers.append(nn.Dropout(settings.block_dropout))
        channels = block.filters
        height, width = ((edge - lost) // block.pool for edge in (height, width))
        if height < 1 or width < 1:
            raise WrongSettingError(f"network.blocks.{number}", "nothing is left of the image after this block")
    layers.append(nn.Flatten())
    if settings.dropout:
        layers.append(nn.Dropout(settings.dropout))
    head = dense_layers(
        channels * height * width,
        settings.dense,
        outputs,
        activation=settings.activation,
        normalization=settings.normalization,
        dropout=settings.dropout,
    )
    return nn.Sequential(*layers, *head)


def _normalization(kind: Normalization, channels: int) -> nn.Module:
    """Build a normalization layer; one group of all channels is layer normalization of an image (Wu and He, 2018)."""
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.GroupNorm(1, channels)
