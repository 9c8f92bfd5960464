"""An uploaded picture to the pixels that a model takes."""

from __future__ import annotations

import io
import logging
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.Image import Resampling
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, create_form_parser

from penstock.serving.refusals import InputError, TooLargeError, WrongKindError

# Content-Type of each kind of picture that is read, and Pillow's name for it.
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}
FORM = "multipart/form-data"
# A telephone's camera has twelve million. In memory, each is four bytes, and some more on its way to grey.
LARGEST_PIXELS = 24_000_000
# What Pillow raises for a picture that is damaged, or was made to do damage.
DAMAGES = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)

# It would write every bad form into the log; whoever sent it is told.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def upload(body: bytes, kind: str) -> tuple[bytes, str]:
    """The picture in a body of this Content-Type, itself or the first file of a form, and the name of its format.

    Raises:
        WrongKindError: it is neither PNG nor JPEG.
        InputError: the form cannot be read, or has no file.
    """
    if kind.partition(";")[0].strip().lower() == FORM:
        body, kind = _first_file(body, kind)
    kind = kind.partition(";")[0].strip().lower()
    if kind not in FORMATS:
        raise WrongKindError(f"wants a picture as one of {', '.join(FORMATS)}, not '{kind}'")
    return body, FORMATS[kind]


def pixels(
    content: bytes, size: tuple[int, int], formats: list[str] | None = None, *, light_background: bool = False
) -> NDArray[np.uint8]:
    """The picture in grey, brought to `size` (width, height): uint8 [height, width], 0 for black.

    formats: those that it may have, all that Pillow knows if it is None; light_background: whether it is to be turned
    into its negative, since the models know light digits on dark ground.

    Raises:
        TooLargeError: it has more than `LARGEST_PIXELS`; it is not decoded to find out.
        InputError: it is damaged.
    """
    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            if image.width * image.height > LARGEST_PIXELS:
                shown = f"{image.width} x {image.height} pixels"
                raise TooLargeError(f"a picture of {shown}; at most {LARGEST_PIXELS} are decoded")
            image.draft("L", size)  # a JPEG that is far larger is decoded smaller
            grey = _grey(ImageOps.exif_transpose(image), 255 if light_background else 0)
    except DAMAGES as error:
        raise InputError(f"a picture that cannot be read: {error}") from None
    array = np.asarray(grey.resize(size, Resampling.BOX if grey.width > size[0] else Resampling.BICUBIC))
    return 255 - array if light_background else array


def _grey(image: Image.Image, background: int) -> Image.Image:
    """What is transparent shows the background."""
    if not image.has_transparency_data:
        return image.convert("L")
    seen = image.convert("LA")
    return Image.composite(seen.getchannel("L"), Image.new("L", image.size, background), seen.getchannel("A"))


def _first_file(body: bytes, kind: str) -> tuple[bytes, str]:
    files: list[File] = []
    try:
        parser: FormParser = create_form_parser(
            {"Content-Type": kind.encode("latin-1")}, None, files.append, {"MAX_MEMORY_FILE_SIZE": len(body) + 1}
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise InputError(f"a form that cannot be read: {error}") from None
    if not files:
        raise InputError("a form without a file: wants a picture, as in `curl -F image=@digit.png`")
    file = files[0]
    file.file_object.seek(0)
    named = file.content_type or ""
    return file.file_object.read(), named if isinstance(named, str) else named.decode("latin-1")
