"""Autoencoder: encodes images into latent vectors and decodes them.

mnist_autoencoder: 784 -> Dense 32 ReLU -> Dropout 0.5 -> Dense 784 sigmoid; 50,992 parameters, 6,532 at the documented
size of 100 pixels. Its results are in docs/models.md. `dvc repro validate@mnist_autoencoder` reproduces them.
"""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from penstock.config.networks import AutoencoderConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.base import ExportableModel
from penstock.models.common.inputs import Pixels, input_spec, require_grey
from penstock.models.common.layers import ACTIVATIONS, dense_layers


class Autoencoder(ExportableModel):
    """Reconstruct pixels uint8 [N, height, width] -> latent [N, K] -> logits of pixels [N, height x width].

    Raises:
        WrongSettingError: The inputs are not images.
    """

    outputs = ("latent", "reconstruction")

    def __init__(self, settings: AutoencoderConfig, info: DatasetInfo) -> None:
        super().__init__(input_spec(info))
        if info.kind != "image":
            raise WrongSettingError("network.kind", f"autoencoder needs images, {info.dataset} has {info.kind} inputs")
        require_grey("autoencoder", info)
        pixels, activation = prod(info.shape), settings.activation
        self.inputs = nn.Sequential(Pixels(), nn.Flatten())
        encoder = dense_layers(pixels, settings.hidden_sizes, settings.latent_dim, activation=activation)
        self.encoder = nn.Sequential(*encoder, ACTIVATIONS[activation]())
        self.dropout = nn.Dropout(settings.dropout)
        self.decoder = nn.Sequential(
            *dense_layers(settings.latent_dim, settings.hidden_sizes[::-1], pixels, activation=activation)
        )

    def targets(self, inputs: Tensor) -> Tensor:
        """Return the target of the reconstruction: the inputs, scaled to 0..1, float32 [N, height x width]."""
        scaled: Tensor = self.inputs(inputs)
        return scaled

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.decoder(self.dropout(self.encoder(self.targets(inputs))))
        return logits

    def predict(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the latent vectors, float32 [N, K], and the reconstruction, float32 [N, height, width] in 0..1."""
        latent = self.encoder(self.targets(inputs))
        return latent, self.decode(latent)

    def decode(self, latent: Tensor) -> Tensor:
        """Decode latent vectors, float32 [N, K], to images, float32 [N, height, width] in 0..1."""
        images: Tensor = self.decoder(latent).sigmoid().unflatten(1, self.input_spec.shape)
        return images


def build(settings: AutoencoderConfig, info: DatasetInfo) -> Autoencoder:
    return Autoencoder(settings, info)
