"""Read Apache Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from penstock.config.sources import ParquetConfig
from penstock.core.errors import DataFileError
from penstock.data.sources.batch import BATCH_ROWS, SourceBatch, require_columns


def batches(source: ParquetConfig, folder: Path, part: str, columns: Sequence[str]) -> Iterator[SourceBatch]:
    """Yield the rows of a part. Rows are counted from 0.

    Raises:
        DataFileError: The file is damaged, or has not all columns.
    """
    name = source.parts[part]  # type: ignore[index]
    first = 0
    try:
        with parquet.ParquetFile(folder / name) as file:
            require_columns(name, columns, file.schema_arrow.names)
            for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
                found = dict(zip(batch.schema.names, batch.columns, strict=True))
                yield SourceBatch(found, partial(_place, name, first))
                first += len(batch)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataFileError(f"{name}: the file is damaged: {reason}") from None


def _place(name: str, first: int, row: int, column: str | None) -> str:
    return f"{name}: row {first + row}" + (f": {column}" if column else "")
