"""Folders that are whole or not there, and never one that somebody else wrote."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.io.files import read_json, write_json

# Says that we wrote a folder, what for, and which files of which models are in it.
MARK = "penstock.json"


@contextmanager
def folder_written_whole(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that takes its name when the block ends well, and vanishes when it does not.

    What was there before goes only then. Always the same one, so that what a killed process left goes with the next.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished, former = (folder.with_name(f".{folder.name}.{state}") for state in ("new", "old"))
    if former.exists() and not folder.exists():  # killed between the two
        former.replace(folder)
    for left in (unfinished, former):
        shutil.rmtree(left, ignore_errors=True)
    unfinished.mkdir()
    try:
        yield unfinished
        _exchange(folder, unfinished, former)
    finally:
        for left in (unfinished, former):
            shutil.rmtree(left, ignore_errors=True)


def _exchange(folder: Path, unfinished: Path, former: Path) -> None:
    """Puts what was there back, if its place cannot be taken."""
    if not folder.exists():
        unfinished.replace(folder)
        return
    folder.replace(former)
    try:
        unfinished.replace(folder)
    except BaseException:
        former.replace(folder)
        raise


# The sha256 of every file of a model, by its path below the model's folder, by model.
Recorded = dict[str, dict[str, str]]


def mark(folder: Path, kind: str, models: Recorded) -> None:
    write_json(folder / MARK, {"written_by": "penstock package", "kind": kind, "models": models})


def recorded(folder: Path) -> Recorded:
    """What the mark of a folder says is in it; nothing where there is no mark yet."""
    path = folder / MARK
    models: Recorded = read_json(path)["models"] if path.is_file() else {}
    return models


def is_ours(folder: Path, kind: str) -> bool:
    """Whether we wrote this folder before; false where there is nothing in it yet.

    Raises:
        ConfigError: there are other things in it.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not (folder / MARK).is_file() or read_json(folder / MARK).get("kind") != kind:
        raise ConfigError(f"{folder}: is there, and `penstock package --{kind}` did not write it; name another folder")
    return True
