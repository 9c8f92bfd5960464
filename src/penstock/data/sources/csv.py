"""Read text files of separated values."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa

from penstock.config.sources import CsvConfig
from penstock.core.errors import DataFileError
from penstock.data.sources.batch import BATCH_ROWS, SourceBatch


def batches(source: CsvConfig, folder: Path, part: str, _columns: Sequence[str]) -> Iterator[SourceBatch]:
    """Yield the rows of a part.

    Raises:
        DataFileError: A row has more or fewer values than the header.
    """
    name = source.parts[part]  # type: ignore[index]
    encoding = "utf-8-sig" if source.encoding.lower() in ("utf-8", "utf8") else source.encoding
    with (folder / name).open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=source.separator, quotechar=source.quote or '"')
        header = list(source.header or next(reader))
        rows = ((reader.line_num, row) for row in reader if row)
        while chunk := list(islice(rows, BATCH_ROWS)):
            for line, row in chunk:
                if len(row) != len(header):
                    raise DataFileError(f"{name}:{line}: {len(row)} values, the header has {len(header)}")
            yield _batch(name, header, chunk, source)


def _batch(name: str, header: list[str], chunk: list[tuple[int, list[str]]], source: CsvConfig) -> SourceBatch:
    lines = [line for line, _ in chunk]
    columns = {
        column: pa.array([None if row[i] in source.missing else row[i] for _, row in chunk], type=pa.string())
        for i, column in enumerate(header)
    }
    return SourceBatch(columns, lambda row, column: f"{name}:{lines[row]}" + (f": {column}" if column else ""))
