"""Read archives with a folder for each class, which holds a file for each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from penstock.config.sources import FolderConfig
from penstock.core.errors import DataFileError
from penstock.data.sources.archive import open_archive
from penstock.data.sources.batch import BATCH_FILES, SourceBatch, require_columns

COLUMNS = ("image", "text", "label", "file")


def batches(source: FolderConfig, folder: Path, part: str, columns: Sequence[str]) -> Iterator[SourceBatch]:
    """Yield the rows of a part, in the order of the paths: `image` and `text` are the content of the file, binary.

    Raises:
        DataFileError: The archive is damaged or unsafe, or a file is not in the folder of a class.
    """
    name = source.parts[part]  # type: ignore[index]
    require_columns(name, columns, COLUMNS)
    with open_archive(folder / name) as archive:
        paths = archive.members
        labels = {path: _label(name, path, paths) for path in paths}
        for start in range(0, len(paths), BATCH_FILES):
            members = paths[start : start + BATCH_FILES]
            content = pa.array([archive.read(member) for member in members], pa.large_binary())
            found = {
                "image": content,
                "text": content,
                "label": pa.array([labels[member] for member in members], pa.string()),
                "file": pa.array(members, pa.string()),
            }
            yield SourceBatch(found, partial(_place, name, members))


def _label(archive: str, member: str, members: Sequence[str]) -> str:
    """Return the folder of a member; the one folder that is around all classes does not count."""
    parts = member.split("/")
    first, last = members[0].split("/"), members[-1].split("/")
    if len(parts) == 3 and first[0] == last[0]:
        parts = parts[1:]
    if len(parts) != 2:
        raise DataFileError(f"{archive}: {member}: expected CLASS/FILE, a file in the folder of its class")
    return parts[0]


def _place(archive: str, members: Sequence[str], row: int, _column: str | None) -> str:
    return f"{archive}: {members[row]}"
