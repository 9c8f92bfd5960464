"""Read the files of a dataset as `datasets.<name>` in params.yaml describes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from penstock.config.data import DatasetConfig
from penstock.data.sources.batch import SourceBatch
from penstock.data.sources.inputs import raw_inputs
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
        DataFileError: As `read_dataset`.
    """
    batches: Batches = import_module(f"penstock.data.sources.{settings.source.kind}").batches
    for batch in batches(settings.source, folder, part, settings.columns):
        group = settings.split.group or settings.split.time
        yield RawSplit(
            inputs=raw_inputs(settings.inputs, batch),
            labels=labels_of(settings.target, batch),
            groups=None if group is None else batch.texts(group),
        )
