"""Name the kind of a binary file by its first bytes: people give one where a text is expected."""

from __future__ import annotations

import re

FIRST_BYTES = 16
"""How many bytes of a file are enough."""
IMAGE_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""First bytes of images, and their media types. JSON never starts with them."""
_OTHERS = {
    rb"PAR1\x15": "a Parquet file",
    rb"PK(\x03\x04|\x05\x06)": "a zip or Excel file",
    rb"\xd0\xcf\x11\xe0": "an Office file, such as .xls",
    rb"\x1f\x8b": "a gzip file",
    rb"%PDF-\d\.\d": "a PDF file",
    rb"RIFF....WEBP": "a WebP image",
    rb"BM.{4}\0{4}": "a BMP image",
    rb"II\*\0|MM\0\*": "a TIFF image",
}


def image_type(first: bytes) -> str | None:
    """Return the media type of a PNG, JPEG or GIF by its first bytes."""
    return next((media_type for start, media_type in IMAGE_TYPES.items() if first.startswith(start)), None)


def binary_kind(first: bytes) -> str | None:
    """Return the kind of a file, with its article, by its first bytes; None for text and kinds that are not known."""
    if media_type := image_type(first):
        return f"a {media_type.removeprefix('image/').upper()} image"
    return next((kind for start, kind in _OTHERS.items() if re.match(start, first, re.DOTALL)), None)
