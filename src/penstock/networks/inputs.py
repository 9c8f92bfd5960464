"""The first layer of every network: from what lies in the processed arrays to what a network likes to see."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from penstock.manifest import Manifest


class Standardise(nn.Module):
    """Numbers [N, features] to mean 0 and standard deviation 1, by the statistics of the rows given to `fit`.

    The statistics are buffers: they travel with the weights into the exported graph.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.standard_deviation: Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("standard_deviation", torch.ones(features))

    def fit(self, inputs: Tensor) -> None:
        """Takes the statistics of training rows [N, features]; a constant feature stays as it is, centred."""
        self.mean.copy_(inputs.mean(dim=0))
        deviation = inputs.std(dim=0, correction=0)
        self.standard_deviation.copy_(torch.where(deviation > 0, deviation, 1.0))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs - self.mean) / self.standard_deviation


class Pixels(nn.Module):
    """Bytes [N, height, width] to one channel of 0..1, [N, 1, height, width]."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.unsqueeze(1).float() / 255


def input_layer(manifest: Manifest) -> nn.Module:
    match manifest.kind:
        case "table":
            return Standardise(manifest.shape[0])
        case "image":
            return Pixels()
        case "text":
            return nn.Identity()
