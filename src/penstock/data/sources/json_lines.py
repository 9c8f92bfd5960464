"""Read text files with one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from penstock.config.sources import JsonLinesConfig
from penstock.core.errors import DataFileError
from penstock.data.sources.batch import BATCH_ROWS, SourceBatch, require_columns
from penstock.data.sources.decoded import decoded

Row = tuple[int, dict[str, Any]]


def batches(source: JsonLinesConfig, folder: Path, part: str, columns: Sequence[str]) -> Iterator[SourceBatch]:
    """Yield the rows of a part, with all values as texts. A key that an object does not have is a missing value.

    Raises:
        DataFileError: A line is not a JSON object, the value of a column is an object or an array, or no object has a
            column.
    """
    path = folder / source.parts[part]  # type: ignore[index]
    rows = objects(path)
    keys: set[str] = set()
    while chunk := list(islice(rows, BATCH_ROWS)):
        keys.update(*(row for _, row in chunk))
        yield _batch(path.name, chunk, columns)
    if keys:
        require_columns(path.name, columns, sorted(keys))


def objects(path: Path) -> Iterator[Row]:
    """Yield the line and the object of each line that is not blank. Numbers are texts, as the file has them.

    Raises:
        DataFileError: A line is not a JSON object, or a byte is not UTF-8.
    """
    for line, text in _lines(path):
        if not text.strip():
            continue
        try:
            row = json.loads(text, parse_int=str, parse_float=str, parse_constant=_reject)
        except (ValueError, RecursionError) as error:
            raise DataFileError(f"{path.name}:{line}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataFileError(f"{path.name}:{line}: expected an object, {{...}}")
        yield line, row


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    line, rest = 1, ""
    for text in decoded(path, "utf-8"):
        *whole, rest = (rest + text).split("\n")
        yield from enumerate(whole, line)
        line += len(whole)
    yield line, rest


def _reject(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no value; write null")


def _batch(name: str, chunk: list[Row], columns: Sequence[str]) -> SourceBatch:
    def place(row: int, column: str | None) -> str:
        return f"{name}:{chunk[row][0]}" + (f": {column}" if column else "")

    def value(row: int, column: str) -> str | None:
        found = chunk[row][1].get(column)
        if isinstance(found, dict | list):
            raise DataFileError(f"{place(row, column)}: expected one value, not an object or an array")
        return str(found).lower() if isinstance(found, bool) else found

    found = {column: pa.array([value(row, column) for row in range(len(chunk))], pa.string()) for column in columns}
    return SourceBatch(found, place)
