"""Generative adversarial network of dense layers (Goodfellow et al., 2014, arXiv:1406.2661).

mnist_gan: generator noise 100 -> 128 -> 256 -> 512 -> 1024 -> 784, LeakyReLU 0.2 between, tanh out, no biases;
1,503,744 parameters, 803,328 at the documented 100 pixels. Discriminator 1024 -> 512 -> 256 -> 128 -> 1, LeakyReLU,
sigmoid, no biases. Its results are in docs/models.md. `dvc repro validate@mnist_gan` reproduces them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from penstock.config.networks import GanConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.base import ExportableModel, InputSpec, count_parameters
from penstock.models.common.inputs import require_grey


class Gan(ExportableModel):
    """Combine the generator, which is served, and the discriminator, which is used in training only.

    Weights are initialized as He et al. (2015, arXiv:1502.01852), which preserves the variance of activations. torch's
    default weights are smaller: without biases and normalization, activations would vanish.

    Raises:
        WrongSettingError: The dataset has no images.
    """

    outputs = ("image",)

    def __init__(self, settings: GanConfig, info: DatasetInfo) -> None:
        description = f"{settings.latent_dim} numbers, drawn from the standard normal distribution"
        super().__init__(InputSpec("noise", (settings.latent_dim,), torch.float32, description))
        if info.kind != "image":
            raise WrongSettingError("network.kind", f"gan needs images, {info.dataset} has {info.kind} inputs")
        require_grey("gan", info)
        self.shape = info.shape
        pixels = prod(info.shape)
        self.generator = nn.Sequential(
            *_layers(settings.latent_dim, settings.generator.hidden_sizes, pixels, settings.negative_slope, 0),
            nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            *_layers(
                pixels, settings.discriminator.hidden_sizes, 1, settings.negative_slope, settings.discriminator.dropout
            )
        )

    def scaled(self, images: Tensor) -> Tensor:
        """Scale images, uint8 [N, height, width], to the generator's range, float32 [N, height x width] in -1..1."""
        return images.flatten(1).float() / 127.5 - 1

    def predict(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Generate images, uint8 [N, height, width], from standard normal noise, float32 [N, K]."""
        generated = (self.generator(inputs) + 1) * 127.5
        return (generated.round().clamp(0, 255).to(torch.uint8).unflatten(1, self.shape),)

    def count_parameters(self) -> int:
        """Count the trainable parameters of the generator, which is the exported part."""
        return count_parameters(self.generator)


def _layers(width: int, hidden: Sequence[int], outputs: int, slope: float, dropout: float) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [_dense(width, size, slope), nn.LeakyReLU(slope)]
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = size
    return [*layers, _dense(width, outputs, slope)]


def _dense(width: int, outputs: int, slope: float) -> nn.Linear:
    layer = nn.Linear(width, outputs, bias=False)
    nn.init.kaiming_normal_(layer.weight, a=slope)
    return layer


def build(settings: GanConfig, info: DatasetInfo) -> Gan:
    return Gan(settings, info)
