"""Uploaded images to the pixels that a model takes."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from contextlib import nullcontext
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.Image import Resampling
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, create_form_parser

from penstock.serving.errors import InputError, PayloadTooLargeError, UnsupportedMediaTypeError

# Pillow's format of each media type.
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}
FORM = "multipart/form-data"
# A phone's camera has 12 million. A decoded pixel takes four bytes, and some more until it is grey.
MAX_PIXELS = 24_000_000
MANY_PIXELS = 4_000_000
_large = Lock()  # the largest image takes 0.3 GB while it is decoded
# What Pillow raises for a damaged or malicious image.
DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)

# It logs every malformed form; the client gets an error response instead.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def read_upload(body: bytes, media_type: str) -> tuple[bytes, str]:
    """Return the image of a request body: the body itself, or the first file of a form.

    Args:
        body: The request body.
        media_type: Its Content-Type.

    Returns:
        The encoded image, and Pillow's name of its format.

    Raises:
        UnsupportedMediaTypeError: It is neither PNG nor JPEG.
        InputError: The form is malformed, or has no file.
    """
    if media_type.partition(";")[0].strip().lower() == FORM:
        body, media_type = _first_file(body, media_type)
    media_type = media_type.partition(";")[0].strip().lower()
    if media_type not in FORMATS:
        raise UnsupportedMediaTypeError(f"expected an image of type {' or '.join(FORMATS)}, not '{media_type}'")
    return body, FORMATS[media_type]


def decode_image(
    content: bytes,
    size: tuple[int, int],
    formats: list[str] | None = None,
    *,
    light_background: bool = False,
    rgb: bool = False,
) -> NDArray[np.uint8]:
    """Decode an image to the pixels of a model's size.

    Args:
        content: The encoded image.
        size: Width and height of the result; -1 keeps that of the image.
        formats: Pillow's names of the accepted formats; None for all.
        light_background: Show transparent pixels light, and invert grey levels: the models know light digits on a dark
            background.
        rgb: Keep the colours.

    Returns:
        uint8 [height, width], 0 is black; in colour [height, width, 3].

    Raises:
        PayloadTooLargeError: It has more than `MAX_PIXELS`, which is checked before it is decoded.
        InputError: It is damaged.
    """
    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                shown = f"{image.width} x {image.height} pixels"
                raise PayloadTooLargeError(f"the image has {shown}; the limit is {MAX_PIXELS} pixels")
            if -1 not in size:
                image.draft("RGB" if rgb else "L", size)  # a far larger JPEG is decoded at a smaller scale
            with _large if image.width * image.height > MANY_PIXELS else nullcontext():
                ImageOps.exif_transpose(image, in_place=True)
                decoded = _without_alpha(image, "RGB" if rgb else "L", 255 if light_background else 0)
    except DECODE_ERRORS as error:
        # Pillow's own message of an unknown format has an address in memory.
        reason = "it is neither PNG nor JPEG" if isinstance(error, UnidentifiedImageError) else error
        raise InputError(f"the image cannot be decoded: {reason}") from None
    width, height = (own if wanted == -1 else wanted for own, wanted in zip(decoded.size, size, strict=True))
    method = Resampling.BOX if decoded.width > width else Resampling.BICUBIC
    array = np.asarray(decoded.resize((width, height), method))
    return 255 - array if light_background and not rgb else array


def _without_alpha(image: Image.Image, mode: str, background: int) -> Image.Image:
    """Convert to grey or RGB; transparent pixels show the background."""
    if not image.has_transparency_data:
        return image.convert(mode)
    with_alpha = image.convert(f"{mode}A")
    ground = Image.new("L", image.size, background).convert(mode)
    return Image.composite(with_alpha.convert(mode), ground, with_alpha.getchannel("A"))


def _first_file(body: bytes, media_type: str) -> tuple[bytes, str]:
    files: list[File] = []
    try:
        parser: FormParser = create_form_parser(
            {"Content-Type": media_type.encode("latin-1")}, None, files.append, {"MAX_MEMORY_FILE_SIZE": len(body) + 1}
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise InputError(f"malformed form: {error}") from None
    if not files:
        raise InputError("the form has no file; send an image, as in `curl -F image=@digit.png`")
    file = files[0]
    file.file_object.seek(0)
    file_type = file.content_type or ""
    return file.file_object.read(), file_type if isinstance(file_type, str) else file_type.decode("latin-1")
