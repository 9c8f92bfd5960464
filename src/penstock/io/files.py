"""Files that are whole or not there, and the hashes that name their contents."""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from platform import node
from typing import Any

from penstock.core.errors import MissingFileError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path beside `path` that takes its name when the block ends well, and vanishes when it does not.

    Each process has one of its own; what a killed one has left there goes with the next write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_what_was_left(path)
    unfinished = path.with_name(f".{path.name}.{node()}.{os.getpid()}")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # of a disk that is full, Python does not say which file
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def _remove_what_was_left(path: Path) -> None:
    """By processes of this machine that have ended; another machine knows of its own."""
    of_this_machine = f".{path.name}.{node()}."
    for left in path.parent.glob(f"{glob.escape(of_this_machine)}*"):
        process = left.name.removeprefix(of_this_machine)
        if process.isdecimal() and not _is_running(int(process)):
            left.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):  # there are no numbers so large
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def write_bytes(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Indented, in the order given, with a newline at the end: the same content is the same bytes."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys under a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """numpy arrays by name, as an .npz without dates: the same content is the same bytes."""
    import numpy as np

    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read the rows below the header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_json(path: Path) -> dict[str, Any]:
    """Raises `MissingFileError` where the file is not there or is not JSON, a whole object of it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file; `dvc repro` makes it") from None
    except json.JSONDecodeError as error:
        raise MissingFileError(f"{path}:{error.lineno}: not valid JSON; `dvc repro -f` makes it anew") from None
    except UnicodeDecodeError:
        raise MissingFileError(f"{path}: not UTF-8, so no JSON; `dvc repro -f` makes it anew") from None
    if not isinstance(content, dict):
        raise MissingFileError(f"{path}: not a JSON object; `dvc repro -f` makes it anew")
    return content


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_hash(content: object) -> str:
    """sha256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def dvc_directory_hash(folder: Path) -> str:
    """The hash that DVC gives a folder in dvc.lock, so that a run leads to the data in DVC's cache.

    DVC's own: the md5 of the JSON list of each file's md5 and relative path, in the order of the paths.
    """
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    listing = [{"md5": _md5(path), "relpath": name} for name, path in sorted(files.items())]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
