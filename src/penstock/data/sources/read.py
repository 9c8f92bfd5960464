"""Read the files of a dataset as `datasets.<name>` in params.yaml describes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from penstock.config.data import DatasetConfig
from penstock.config.sources import CsvConfig, IdxPartConfig
from penstock.core.errors import DataFileError
from penstock.data.sources import csv
from penstock.data.sources.batch import SourceBatch
from penstock.data.sources.groups import groups_of
from penstock.data.sources.inputs import raw_inputs
from penstock.data.sources.named_images import with_images
from penstock.data.sources.rows import RawSplit, joined
from penstock.data.sources.targets import labels_of

Batches = Callable[[Any, Path, str, Any], Iterator[SourceBatch]]


def read_dataset(settings: DatasetConfig, folder: Path) -> dict[str, RawSplit]:
    """Read all rows of every part.

    Args:
        settings: Entry of the dataset in params.yaml.
        folder: Folder of the files.

    Raises:
        DataFileError: A file is not as declared; the message names the file, the line and the column.
    """
    return {part: joined(read_batches(settings, folder, part)) for part in settings.source.parts}


def read_batches(settings: DatasetConfig, folder: Path, part: str) -> Iterator[RawSplit]:
    """Yield the rows of a part in chunks, so that memory does not grow with the file.

    Raises:
        DataFileError: As `read_dataset`; at the end, if there was no row.
    """
    rows = 0
    shape: tuple[int, ...] | None = None
    for batch in _source_batches(settings, folder, part):
        if not len(batch):
            continue
        inputs = raw_inputs(settings.inputs, batch, shape)
        labels = labels_of(settings.target, batch)
        shape = inputs.shape[1:]
        rows += len(labels)
        yield RawSplit(inputs=inputs, labels=labels, groups=groups_of(settings.split, batch))
    if rows == 0:
        raise DataFileError(f"{_file(settings, part)}: the file has no rows")


def places_of(settings: DatasetConfig, folder: Path, part: str, rows: Sequence[int]) -> list[str]:
    """Return where rows of a part stand in its file, such as `wine.csv:17`."""
    if isinstance(settings.source, CsvConfig):
        return csv.places(settings.source, folder, part, rows)
    found: dict[int, str] = {}
    first = 0
    for batch in _source_batches(settings, folder, part):
        found |= {row: batch.place(row - first, None) for row in rows if first <= row < first + len(batch)}
        first += len(batch)
    return [found[row] for row in rows]


def _source_batches(settings: DatasetConfig, folder: Path, part: str) -> Iterator[SourceBatch]:
    source = settings.source
    read: Batches = import_module(f"penstock.data.sources.{source.kind}").batches
    batches = read(source, folder, part, settings.columns)
    if isinstance(source, CsvConfig) and source.images and settings.inputs.kind == "image":
        return with_images(batches, folder / source.images, settings.inputs.column)
    return batches


def _file(settings: DatasetConfig, part: str) -> str:
    file = settings.source.parts[part]  # type: ignore[index]
    return file.labels if isinstance(file, IdxPartConfig) else file
