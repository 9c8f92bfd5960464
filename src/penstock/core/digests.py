"""Hash files."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_digest(path: Path, algorithm: str) -> str:
    """Return the hash of a file in hexadecimal.

    Args:
        path: The file.
        algorithm: Such as `sha256`, or `md5`, by which dvc.lock names files.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
