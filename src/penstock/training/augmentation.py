"""Training images changed a little, each in its own way, so that no epoch sees the same ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from penstock.config.training import Augmentation


def augment(images: Tensor, settings: Augmentation) -> Tensor:
    """Images [N, height, width] turned, scaled, sheared and shifted about their centres, float32 of the same range;
    what comes in from outside is 0. Uniform draws from torch's own random state."""
    rows, height, width = images.shape

    def drawn(most: float) -> Tensor:
        return (torch.rand(rows, device=images.device) * 2 - 1) * most

    angle, scale = drawn(settings.rotation * math.pi / 180), 1 + drawn(settings.scale)
    shear, right, down = drawn(settings.shear), drawn(settings.shift), drawn(settings.shift)
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    # Where each pixel comes from, in units of half an edge.
    places = torch.stack(
        [
            torch.stack([cosine, shear - sine, right * 2 / width], dim=1),
            torch.stack([sine, cosine, down * 2 / height], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(places, [rows, 1, height, width], align_corners=False)
    return functional.grid_sample(images.unsqueeze(1).float(), grid, align_corners=False).squeeze(1)
