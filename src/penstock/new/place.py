"""Find the files of a new dataset: local ones stay where they are, folders are packed, URLs are downloaded."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from penstock.core.errors import ConfigError, DownloadError
from penstock.core.network import open_client, set_variables
from penstock.core.paths import Project
from penstock.core.plurals import counted
from penstock.io.files import atomic_write

OWN_FILES = Path("data") / "own"
FILES_OF_SYSTEMS = ("thumbs.db", "desktop.ini", "__macosx")  # which Windows and macOS leave in folders
PACKED = (1980, 1, 1, 0, 0, 0)
TIMEOUT = 30.0
CHUNK = 1 << 16


@dataclass(frozen=True)
class PlacedFile:
    """A file of a new dataset."""

    path: Path
    settings: dict[str, object]
    """`urls`, or `folder` relative to params.yaml."""
    note: str = ""


def place(project: Project, name: str, source: str) -> PlacedFile:
    """Return the file of a path or URL.

    Args:
        project: The project.
        name: Name of the dataset.
        source: A file, a folder with a folder for each class, or a URL.

    Raises:
        ConfigError: There is no such file.
        DownloadError: The URL cannot be downloaded.
    """
    if source.startswith(("http://", "https://")):
        return _downloaded(project, name, source)
    path = Path(source).resolve()
    if path.is_dir():
        return _packed(project, name, path)
    if not path.is_file():
        raise ConfigError(f"--from {source}: no such file or folder")
    return PlacedFile(path, {"folder": _shown(project, path.parent)})


def _shown(project: Project, folder: Path) -> str:
    return Path(os.path.relpath(folder, project.root)).as_posix()


def _packed(project: Project, name: str, folder: Path) -> PlacedFile:
    path = project.root / OWN_FILES / f"{name}.zip"
    if path.exists():
        raise ConfigError(f"{project.shown(path)}: exists already; remove it, or choose another name")
    files = counted(pack(folder, path), "file was", "files were")
    note = f"{files} packed as {project.shown(path)}"
    return PlacedFile(path, {"folder": OWN_FILES.as_posix()}, note)


def pack(folder: Path, path: Path) -> int:
    """Write an archive of a folder, and return the number of its files.

    Args:
        folder: Folder with a folder for each class. Hidden files, and those of operating systems, are left out.
        path: The archive (.zip). The same content gives the same bytes.

    Raises:
        ConfigError: The folder has no files.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not _is_hidden(file, folder))
    if not files:
        raise ConfigError(f"{folder}: no files; expected a folder for each class")
    with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            member = zipfile.ZipInfo(file.relative_to(folder).as_posix(), PACKED)
            archive.writestr(member, file.read_bytes())
    return len(files)


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") or part.lower() in FILES_OF_SYSTEMS for part in file.relative_to(folder).parts)


def _downloaded(project: Project, name: str, url: str) -> PlacedFile:
    parts = urlsplit(url)
    base, _, file = url.rpartition("/")
    if parts.query or parts.fragment or not file:
        raise ConfigError(f"--from {url}: the address must end with the name of the file, without ? and #")
    path = project.scratch / "new" / name / file
    fetch(url, path)
    return PlacedFile(path, {"urls": [f"{base}/"]})


def fetch(url: str, path: Path) -> None:
    """Download a file, as a whole or not at all.

    Raises:
        DownloadError: The URL cannot be downloaded.
    """
    with atomic_write(path) as unfinished, unfinished.open("wb") as target:
        for chunk in _chunks(url):
            target.write(chunk)


def _chunks(url: str) -> Iterator[bytes]:
    try:
        with open_client(TIMEOUT) as client, client.stream("GET", url) as response:
            if not response.is_success:
                raise DownloadError(f"{url}: {response.status_code} {response.reason_phrase}")
            yield from response.iter_bytes(CHUNK)
    except httpx.HTTPError as error:
        raise DownloadError(f"{url}: {str(error) or type(error).__name__}{set_variables(url)}") from None
