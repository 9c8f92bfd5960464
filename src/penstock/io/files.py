"""Read files, write them atomically, and hash them."""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from platform import node
from typing import Any
from zipfile import ZipFile, ZipInfo

from penstock.core.errors import MissingFileError

UNIX = 3  # number of the system in members of a zip file


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`.

    The file is renamed to `path` if the block succeeds, and deleted otherwise. The temporary name contains the host and
    the process id. The next write deletes the temporary files of killed processes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale_files(path)
    unfinished = path.with_name(f".{path.name}.{node()}.{os.getpid()}")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # Python sets no file name if the disk is full
        raise
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder`, which it replaces if the block succeeds; it is deleted otherwise.

    The next call deletes what a killed process has left. Two processes must not write the same folder at once.
    """
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _remove_stale_files(path: Path) -> None:
    """Delete temporary files of dead processes on this host. Other hosts delete their own."""
    prefix = f".{path.name}.{node()}."
    for stale in path.parent.glob(f"{glob.escape(prefix)}*"):
        process = stale.name.removeprefix(prefix)
        if process.isdecimal() and not _is_running(int(process)):
            stale.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):  # OverflowError: larger than any process id
        return False
    except PermissionError:  # a process of another user
        return True
    return True


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write indented JSON with a trailing newline. The order of the keys is kept, so the bytes are reproducible."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows that share the same keys, with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write NumPy arrays by name as an .npz file, as `numpy.savez` does, but with the same bytes by any Python.

    `numpy.savez` does not tell the size of an array beforehand, and versions of Python differ in the headers that they
    write then. The only date in the file is 1980-01-01.

    Raises:
        ValueError: An array has Python objects.
    """
    import numpy as np

    with atomic_write(path) as temporary, ZipFile(temporary, "w") as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=False)
            member = ZipInfo(f"{name}.npy")
            member.create_system = UNIX
            file.writestr(member, content.getbuffer())


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file with a header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        MissingFileError: The file is missing, or is not one JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file; run `dvc repro` to create it") from None
    except json.JSONDecodeError as error:
        raise MissingFileError(f"{path}:{error.lineno}: not valid JSON; run `dvc repro -f` to recreate it") from None
    except UnicodeDecodeError:
        raise MissingFileError(f"{path}: not valid UTF-8; run `dvc repro -f` to recreate it") from None
    if not isinstance(content, dict):
        raise MissingFileError(f"{path}: not a JSON object; run `dvc repro -f` to recreate it")
    return content


def sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_hash(content: object) -> str:
    """Return the sha256 of a JSON value. The order of keys has no effect."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def dvc_directory_hash(folder: Path) -> str:
    """Return the hash of a folder as DVC computes it for dvc.lock.

    A run stores this hash to find its data in the DVC cache. It is the md5 of the JSON list of each file's md5 and
    relative path, sorted by path.
    """
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    listing = [{"md5": _md5(path), "relpath": name} for name, path in sorted(files.items())]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
