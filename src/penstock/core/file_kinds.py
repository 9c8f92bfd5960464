"""What a file that is no text is, by its first bytes: people give one kind where another is expected."""

from __future__ import annotations

import re

FIRST_BYTES = 16
"""How many bytes of a file `binary_kind` needs."""
IMAGE_TYPES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
"""First bytes of the images that models take, and their media types."""
_KINDS = {
    rb"PAR1\x15": "a Parquet file",
    rb"PK\x03\x04": "a zip or Excel file",
    rb"\x1f\x8b": "a gzip file",
    rb"%PDF-": "a PDF file",
    rb"\x89PNG": "a PNG image",
    rb"\xff\xd8\xff": "a JPEG image",
    rb"GIF8[79]a|RIFF....WEBP|BM.{4}\0{4}": "an image, but neither PNG nor JPEG",
}


def binary_kind(first: bytes) -> str | None:
    """Return the kind of a file, with its article, by its first bytes; None for text and kinds that are not known."""
    return next((kind for start, kind in _KINDS.items() if re.match(start, first, re.DOTALL)), None)
