"""Training images changed a little, each in its own way, so that no epoch sees the same ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from penstock.config.training import AugmentationConfig

# Edge of the coarse net that elastic moves are drawn for; an image of 28 pixels has a knot at every seventh.
KNOTS = 5


def augment(images: Tensor, settings: AugmentationConfig) -> Tensor:
    """Images [N, height, width] turned, scaled, sheared and shifted about their centres, and moved a little from place
    to place, float32 of the same range; what comes in from outside is 0. Uniform draws from torch's own random state.
    """
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
    if settings.elastic:
        grid = grid + _elastic(images, settings.elastic)
    return functional.grid_sample(images.unsqueeze(1).float(), grid, align_corners=False).squeeze(1)


def _elastic(images: Tensor, most: float) -> Tensor:
    """Moves of every pixel [N, height, width, 2] in units of half an edge: up to `most` pixels at the knots, and along
    a smooth curve between them, which may pass that by a little (after Simard et al., 2003, who smooth with a
    Gaussian)."""
    rows, height, width = images.shape
    knots = (torch.rand(rows, 2, KNOTS, KNOTS, device=images.device) * 2 - 1) * most
    moves = functional.interpolate(knots, size=(height, width), mode="bicubic", align_corners=True)
    return moves.permute(0, 2, 3, 1) * moves.new_tensor([2 / width, 2 / height])
