"""Turn images into PNG files inside the results page."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GAP = 2  # pixels between two images


def data_uri(image: NDArray[np.uint8]) -> str:
    """Return an image, [height, width] or [height, width, 3], as the address that contains it as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def ink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return dark ink on white paper, for grey pixels that are 0 where there is no ink; colours stay as they are."""
    return image if is_coloured(image) else 255 - image


def is_coloured(image: NDArray[np.uint8]) -> bool:
    """Return whether an image is one with colours, [height, width, 3]."""
    return image.ndim == 3 and image.shape[2] == 3


def to_bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Convert pixels from floats 0..1 to bytes."""
    return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)


def tiled(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images [rows, columns, height, width] as one image, with white gaps."""
    rows, columns, height, width = images.shape
    sheet = np.full((rows, height + GAP, columns, width + GAP), 255, dtype=np.uint8)
    sheet[:, :height, :, :width] = images.swapaxes(1, 2)
    return sheet.reshape(rows * (height + GAP), columns * (width + GAP))[:-GAP, :-GAP]
