"""Turn images into PNG files inside the results page."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GAP = 2  # pixels between two images


def data_uri(image: NDArray[np.uint8]) -> str:
    """Return the address of an image, [height, width] or [height, width, 3], that contains it as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def ink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return gray images as dark ink on white paper: their pixels are 0 where there is no ink."""
    return 255 - image


def shown(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return one image as it is shown: [height, width] as ink, [height, width, 3] in its colors."""
    return image if image.ndim == 3 else ink(image)


def to_bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Convert pixels from floats 0..1 to bytes."""
    return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)


def tiled(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images [rows, columns, height, width] as one image, with white gaps."""
    rows, columns, height, width = images.shape
    sheet = np.full((rows, height + GAP, columns, width + GAP), 255, dtype=np.uint8)
    sheet[:, :height, :, :width] = images.swapaxes(1, 2)
    return sheet.reshape(rows * (height + GAP), columns * (width + GAP))[:-GAP, :-GAP]
