"""Hash files as DVC does."""

from __future__ import annotations

import hashlib
from pathlib import Path


def md5_of(path: Path) -> str:
    """Return the md5 of a file, by which dvc.lock names it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
