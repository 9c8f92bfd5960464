"""Decode image files to uint8 pixels."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.Image import Resampling

from penstock.config.data import ImageConfig
from penstock.data.sources.batch import SourceBatch

MAX_PIXELS = 24_000_000  # as the server accepts
WHITE = (255, 255, 255, 255)
DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


def images(settings: ImageConfig, batch: SourceBatch, shape: tuple[int, ...] | None) -> NDArray[np.uint8]:
    """Decode a column of image files.

    Args:
        settings: Mode and size.
        batch: Rows; the column is binary.
        shape: Shape of the images of earlier batches; None for the first.

    Returns:
        uint8 [rows, height, width], or [rows, height, width, 3].

    Raises:
        DataFileError: An image is missing, cannot be decoded, or has another size than the first.
    """
    column = batch.arrow(settings.column)
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        batch.fail(0, settings.column, f"the column is of type {column.type}; expected image files (binary)")
    decoded: list[NDArray[np.uint8]] = []
    for row, content in enumerate(column):
        image = _image(settings, batch, row, content.as_py())
        shape = shape or image.shape
        if image.shape != shape:
            size, first = image.shape[:2], shape[:2]
            batch.fail(
                row,
                settings.column,
                f"the image has {size[0]} x {size[1]} pixels (height x width), the first has {first[0]} x {first[1]}; "
                "set `inputs.size` to resize all",
            )
        decoded.append(image)
    return np.stack(decoded)


def _image(settings: ImageConfig, batch: SourceBatch, row: int, content: bytes | None) -> NDArray[np.uint8]:
    if content is None:
        batch.fail(row, settings.column, "the image is missing")
    try:
        return decode(content, settings)
    except DECODE_ERRORS as error:
        reason = "of no known format" if isinstance(error, UnidentifiedImageError) else str(error)
        batch.fail(row, settings.column, f"the image cannot be decoded: {reason}")


def decode(content: bytes, settings: ImageConfig) -> NDArray[np.uint8]:
    """Decode an image: turned as EXIF says, transparent pixels on white, 16 bits scaled to 8, then resized.

    Raises:
        OSError, ValueError and others of `DECODE_ERRORS`: It is damaged, or has more than `MAX_PIXELS`.
    """
    with Image.open(io.BytesIO(content)) as file:
        if file.width * file.height > MAX_PIXELS:
            raise ValueError(f"{file.width} x {file.height} pixels; the limit is {MAX_PIXELS} pixels")
        image = _eight_bits(ImageOps.exif_transpose(file))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, WHITE), layer).convert("RGB")
    image = image.convert("L" if settings.mode == "grey" else "RGB")
    if settings.size is not None:
        height, width = settings.size
        image = image.resize((width, height), Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale pixels of 16 bits to 8, which Pillow's conversion would cut off."""
    if not image.mode.startswith("I"):
        return image
    pixels: NDArray[Any] = np.asarray(image).astype(np.float64)
    return Image.fromarray(np.clip(np.rint(pixels / 257), 0, 255).astype(np.uint8))
