"""Replace the paths in a column by the images of an archive that they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from penstock.data.sources.archive import Archive, open_archive
from penstock.data.sources.batch import BATCH_FILES, SourceBatch


def with_images(batches: Iterable[SourceBatch], path: Path, column: str) -> Iterator[SourceBatch]:
    """Yield the rows with the images of an archive, in smaller batches.

    Args:
        batches: Rows; the column has paths in the archive.
        path: The archive.
        column: The column.

    Raises:
        DataFileError: A path is missing or is not in the archive.
    """
    with open_archive(path) as archive:
        for batch in batches:
            for start in range(0, len(batch), BATCH_FILES):
                yield _with_images(batch, start, archive, column)


def _with_images(batch: SourceBatch, start: int, archive: Archive, column: str) -> SourceBatch:
    found = {name: values[start : start + BATCH_FILES] for name, values in batch.columns.items()}
    members = batch.arrow_texts(column).slice(start, BATCH_FILES).to_pylist()
    for row, member in enumerate(members, start):
        if member is None:
            batch.fail(row, column, "the path is missing")
        if member not in archive:
            batch.fail(row, column, f"'{member}' is not in {archive.name}")
    found[column] = pa.array([archive.read(member) for member in members], pa.large_binary())
    return SourceBatch(found, partial(_place, batch, start, column, members), batch.decimal)


def _place(batch: SourceBatch, start: int, images: str, members: list[str], row: int, column: str | None) -> str:
    place = batch.place(start + row, column)
    return f"{place}: {members[row]}" if column == images else place
