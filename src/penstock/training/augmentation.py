"""Image augmentation: random transforms, drawn per image and epoch."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from penstock.config.training import AugmentationConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo

# Knots per edge of the coarse grid of elastic deformations; an image of 28 pixels has a knot every seventh pixel.
KNOTS = 5


def require_images(settings: AugmentationConfig | None, info: DatasetInfo) -> None:
    """Raise a WrongSettingError if other inputs than images shall be augmented."""
    if settings and info.kind != "image":
        raise WrongSettingError("training.augmentation", f"is for images, {info.dataset} has {info.kind} inputs")


def augment(images: Tensor, settings: AugmentationConfig) -> Tensor:
    """Augment images: rotate, scale and shear them about the center, shift them, and deform them elastically.

    Parameters are drawn uniformly per image, from torch's global random state. Pixels from outside the image are 0.

    Args:
        images: Images, [N, height, width], or with colours [N, height, width, 3].
        settings: Largest rotation, scale, shear, shift and elastic deformation.

    Returns:
        Images, float32, of the same shape and in the same range.
    """
    rows, height, width = images.shape[:3]

    def drawn(most: float) -> Tensor:
        return (torch.rand(rows, device=images.device) * 2 - 1) * most

    angle, scale = drawn(settings.rotation * math.pi / 180), 1 + drawn(settings.scale)
    shear, right, down = drawn(settings.shear), drawn(settings.shift), drawn(settings.shift)
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    # Maps output to input positions, in units of half an edge, as `affine_grid` expects.
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
    if images.dim() == 3:
        return functional.grid_sample(images.unsqueeze(1).float(), grid, align_corners=False).squeeze(1)
    colours_first = images.permute(0, 3, 1, 2).float()
    return functional.grid_sample(colours_first, grid, align_corners=False).permute(0, 2, 3, 1)


def _elastic(images: Tensor, most: float) -> Tensor:
    """Draw a smooth random displacement field.

    Displacements at the knots are at most `most` pixels. Bicubic interpolation between them may slightly exceed that.
    Simard et al. (2003) smooth with a Gaussian instead.

    Returns:
        Displacement of every pixel, float32 [N, height, width, 2], in units of half an edge.
    """
    rows, height, width = images.shape[:3]
    knots = (torch.rand(rows, 2, KNOTS, KNOTS, device=images.device) * 2 - 1) * most
    moves = functional.interpolate(knots, size=(height, width), mode="bicubic", align_corners=True)
    return moves.permute(0, 2, 3, 1) * moves.new_tensor([2 / width, 2 / height])
