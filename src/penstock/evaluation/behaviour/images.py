"""Perturb images, uint8 [N, height, width] or [N, height, width, 3]. Pixels from outside an image are 0."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from penstock.config.behaviour import (
    ImageTestConfig,
    InversionTestConfig,
    NoiseTestConfig,
    RotationTestConfig,
    ShiftTestConfig,
)

Images = NDArray[np.uint8]
DIRECTIONS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


def perturbed_images(test: ImageTestConfig, images: Images, generator: np.random.Generator) -> Images:
    """Perturb images as a behaviour test says.

    Args:
        test: Settings of the test.
        images: uint8 [N, height, width] or [N, height, width, 3].
        generator: Source of directions, sides and noise.

    Returns:
        uint8, of the same shape.
    """
    match test:
        case ShiftTestConfig():
            chosen = generator.integers(len(DIRECTIONS), size=len(images))
            steps = np.array(DIRECTIONS)[chosen] * test.pixels
            return np.stack([_shifted(image, y, x) for image, (y, x) in zip(images, steps, strict=True)])
        case RotationTestConfig():
            return _rotated(images, math.radians(test.degrees) * generator.choice([-1, 1], size=len(images)))
        case NoiseTestConfig():
            return _pixels(images + generator.normal(0, test.std, size=images.shape))
        case InversionTestConfig():
            return 255 - images


def _shifted(image: Images, y: int, x: int) -> Images:
    height, width = image.shape[:2]
    y, x = max(-height, min(y, height)), max(-width, min(x, width))
    moved = np.zeros_like(image)
    moved[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = image[
        max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)
    ]
    return moved


def _rotated(images: Images, angles: NDArray[np.float64]) -> Images:
    """Rotate each image by its angle in radians around its centre, with bilinear interpolation."""
    cosines, sines, zeros = np.cos(angles), np.sin(angles), np.zeros_like(angles)
    height, width = images.shape[1:3]
    # Coordinates of torch go from -1 to 1 along both axes, so that other than square images need their aspect ratio.
    matrices = np.stack(
        [np.stack([cosines, -sines * height / width, zeros], 1), np.stack([sines * width / height, cosines, zeros], 1)],
        axis=1,
    )
    pixels = torch.from_numpy(images.astype(np.float32))
    pixels = pixels[:, None] if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2)
    grid = functional.affine_grid(torch.from_numpy(matrices.astype(np.float32)), list(pixels.shape), False)
    rotated = functional.grid_sample(pixels, grid, align_corners=False)
    return _pixels((rotated[:, 0] if images.ndim == 3 else rotated.permute(0, 2, 3, 1)).numpy())


def _pixels(values: NDArray[np.floating]) -> Images:
    return values.round().clip(0, 255).astype(np.uint8)
