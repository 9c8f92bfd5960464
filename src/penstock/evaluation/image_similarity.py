"""Structural similarity of images (SSIM), computed by torchmetrics.

Wang et al., 2004, "Image quality assessment: from error visibility to structural similarity".
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

SIGMA = 1.5  # of the window, in pixels
BATCH_SIZE = 64  # larger batches leave the processor's cache and take twice the time


def structural_similarity(images: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the SSIM of each image, with a Gaussian window of 11 x 11 pixels, or a smaller one for smaller images.

    Args:
        images: float32 [N, height, width], 0..1.
        reference: The images that they should equal, of the same shape and scale.

    Returns:
        float64 [N], at most 1.
    """
    # The window has int(3.5 sigma + 0.5) pixels to each side; torchmetrics leaves out the edge, where it does not fit.
    fitting = ((min(images.shape[1:]) - 1) // 2 - 0.5) / 3.5
    sigma = min(SIGMA, max(fitting, 0.1))
    batches = [
        structural_similarity_index_measure(
            _batch(images, start), _batch(reference, start), sigma=sigma, reduction="none", data_range=1.0
        )
        for start in range(0, len(images), BATCH_SIZE)
    ]
    return torch.cat([torch.as_tensor(batch) for batch in batches]).numpy().astype(np.float64)


def _batch(images: NDArray[np.float32], start: int) -> Tensor:
    return torch.from_numpy(images[start : start + BATCH_SIZE])[:, None]
