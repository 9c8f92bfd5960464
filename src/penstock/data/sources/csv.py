"""Read text files of separated values.

Arrow reads them. Only where a file is not as declared, the module `csv` finds the line, for the message.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from penstock.config.sources import CsvConfig
from penstock.core.errors import DataFileError
from penstock.data.sources.batch import BATCH_ROWS, SourceBatch, require_columns
from penstock.data.sources.decoded import decoded, lines, utf8_file

# A row must fit in a block; a quote that is not closed takes no more memory.
BLOCK_BYTES = 8 * 2**20


def batches(source: CsvConfig, folder: Path, part: str, columns: Sequence[str]) -> Iterator[SourceBatch]:
    """Yield the rows of a part.

    Raises:
        DataFileError: The file is empty or has not all columns, a row has more or fewer values than the header, a quote
            is not closed, or a byte is not of the encoding.
    """
    path = folder / source.parts[part]  # type: ignore[index]
    header = _header(path, source)
    require_columns(path.name, columns, header)
    first = 0
    for batch in _record_batches(path, source, header, columns):
        place = partial(_place, path, source, first)
        yield SourceBatch(dict(zip(columns, batch.columns, strict=True)), place, source.decimal)
        first += len(batch)
    _require_whole_text(path, source)


def _header(path: Path, source: CsvConfig) -> list[str]:
    next(decoded(path, source.encoding))  # a wrong encoding is named as such, not as another header
    first = next(_rows(path, source), None)
    if first is None:
        raise DataFileError(f"{path.name}: the file is empty")
    line, names = first
    header = list(source.header or names)
    for name in header:
        if header.count(name) > 1:
            raise DataFileError(f"{path.name}:{line}: the column '{name}' is there more than once")
    if len(names) != len(header):
        raise DataFileError(_ragged(path, line, names, header))
    return header


def _record_batches(
    path: Path, source: CsvConfig, header: list[str], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the columns as strings, at most `BATCH_ROWS` rows at once."""
    skipped = 0 if source.header else 1
    try:
        # Not a file object of Python: Arrow's threads may still call it when Python ends, which aborts the process.
        with (
            utf8_file(path, source.encoding) as text,
            arrow_csv.open_csv(pa.OSFile(str(text)), **_options(source, header, columns)) as reader,
        ):
            for block in reader:
                rows = block.slice(skipped)
                skipped = 0 if len(block) else skipped
                for start in range(0, len(rows), BATCH_ROWS):
                    yield rows.slice(start, BATCH_ROWS)
    except pa.ArrowInvalid as error:
        raise _mistake(path, source, header, error) from None


def _options(source: CsvConfig, header: list[str], columns: Sequence[str]) -> dict[str, object]:
    return {
        "read_options": arrow_csv.ReadOptions(column_names=header, block_size=BLOCK_BYTES, use_threads=False),
        "parse_options": arrow_csv.ParseOptions(
            delimiter=source.separator, quote_char=source.quote or False, newlines_in_values=source.quote is not None
        ),
        "convert_options": arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()),
            include_columns=list(columns),
            null_values=list(source.missing),
            strings_can_be_null=True,
        ),
    }


def _mistake(path: Path, source: CsvConfig, header: list[str], error: pa.ArrowInvalid) -> DataFileError:
    """Return the error of the first byte or row that Arrow rejects."""
    try:
        _quotes(path, source)  # decodes the whole file
        for line, row in _rows(path, source):
            if len(row) != len(header):
                return DataFileError(_ragged(path, line, row, header))
            if sum(map(len, row)) > BLOCK_BYTES // 4:
                return DataFileError(f"{path.name}:{line}: the row is too long; is a quote not closed?")
    except DataFileError as found:
        return found
    return DataFileError(f"{path.name}: {error}")


def _ragged(path: Path, line: int, row: list[str], header: list[str]) -> str:
    return f"{path.name}:{line}: {len(row)} {'value' if len(row) == 1 else 'values'}, the header has {len(header)}"


def _require_whole_text(path: Path, source: CsvConfig) -> None:
    """Look for what Arrow accepts.

    Raises:
        DataFileError: The last quote is not closed, or a column that is not read has a byte of another encoding.
    """
    if _quotes(path, source) % 2 == 0:
        return
    last = 1
    for line, _ in _rows(path, source):
        last = line
    rest = islice(lines(path, source.encoding), last - 1, None)
    try:
        next(csv.reader(rest, delimiter=source.separator, quotechar=source.quote, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise DataFileError(f"{path.name}:{last}: a quote is not closed") from None


def _quotes(path: Path, source: CsvConfig) -> int:
    return sum(text.count(source.quote) if source.quote else 0 for text in decoded(path, source.encoding))


def _rows(path: Path, source: CsvConfig) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the values of each row; blank lines are skipped."""
    csv.field_size_limit(BLOCK_BYTES)
    text = lines(path, source.encoding)
    if source.quote is None:
        reader = csv.reader(text, delimiter=source.separator, quotechar=None, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(text, delimiter=source.separator, quotechar=source.quote)
    before = 0
    try:
        for row in reader:
            if row:
                yield before + 1, row
            before = reader.line_num
    except csv.Error as error:
        raise DataFileError(f"{path.name}:{before + 1}: {error}; is a quote not closed?") from None


def places(source: CsvConfig, folder: Path, part: str, rows: Sequence[int]) -> list[str]:
    """Return the file and line of rows of a part, counted from 0, in one pass over the file."""
    path = folder / source.parts[part]  # type: ignore[index]
    return [f"{path.name}:{line}" for line in _lines_of(path, source, rows)]


def _place(path: Path, source: CsvConfig, first: int, row: int, column: str | None) -> str:
    (line,) = _lines_of(path, source, [first + row])
    return f"{path.name}:{line}" + (f": {column}" if column else "")


def _lines_of(path: Path, source: CsvConfig, rows: Sequence[int]) -> list[int]:
    wanted = set(rows)
    head = 0 if source.header else 1
    body = islice(_rows(path, source), head, head + max(wanted, default=-1) + 1)
    found = {row: line for row, (line, _) in enumerate(body) if row in wanted}
    return [found[row] for row in rows]
