"""Read Apache Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from pyarrow import parquet

from penstock.config.sources import ParquetConfig
from penstock.data.sources.batch import BATCH_ROWS, SourceBatch


def batches(source: ParquetConfig, folder: Path, part: str, columns: Sequence[str]) -> Iterator[SourceBatch]:
    """Yield the rows of a part. Rows are counted from 0."""
    name = source.parts[part]  # type: ignore[index]
    first = 0
    with parquet.ParquetFile(folder / name) as file:
        known = [column for column in columns if column in file.schema_arrow.names]
        for batch in file.iter_batches(BATCH_ROWS, columns=known):
            yield SourceBatch(dict(zip(batch.schema.names, batch.columns, strict=True)), partial(_place, name, first))
            first += len(batch)


def _place(name: str, first: int, row: int, column: str | None) -> str:
    return f"{name}: row {first + row}" + (f": {column}" if column else "")
