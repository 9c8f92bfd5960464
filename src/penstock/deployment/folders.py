"""Write folders atomically, and never overwrite folders with other content."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.io.files import read_json, write_json

# Marker of a folder that `penstock package` wrote; contains its kind and the files of its models.
MARKER = "penstock.json"

# SHA-256 of each file, by model and by path relative to the folder of the model.
FileDigests = dict[str, dict[str, str]]


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder, which replaces `folder` when the block ends without an exception.

    The name of the temporary folder is fixed, so that the next call removes the leftovers of a killed process.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = (folder.with_name(f".{folder.name}.{state}") for state in ("new", "old"))
    if old.exists() and not folder.exists():  # killed between the two renames
        old.replace(folder)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        _replace(folder, new, old)
    finally:
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)


def _replace(folder: Path, new: Path, old: Path) -> None:
    """Rename `new` to `folder`; restore the previous content if that fails."""
    if not folder.exists():
        new.replace(folder)
        return
    folder.replace(old)
    try:
        new.replace(folder)
    except BaseException:
        old.replace(folder)
        raise


def write_marker(folder: Path, kind: str, models: FileDigests) -> None:
    write_json(folder / MARKER, {"written_by": "penstock package", "kind": kind, "models": models})


def read_marker(folder: Path) -> FileDigests:
    """Return the files in the marker; empty if there is no marker."""
    path = folder / MARKER
    models: FileDigests = read_json(path)["models"] if path.is_file() else {}
    return models


def is_own_output(folder: Path, kind: str) -> bool:
    """Return whether `penstock package` wrote this folder; False if it is empty or does not exist.

    Raises:
        ConfigError: The folder has other content.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not (folder / MARKER).is_file() or read_json(folder / MARKER).get("kind") != kind:
        raise ConfigError(f"{folder}: exists, and `penstock package --{kind}` did not write it; choose another folder")
    return True
