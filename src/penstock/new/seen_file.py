"""Find out how a file of a new dataset is read: separator, encoding, header, archive."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pyarrow import parquet

from penstock.config.base import BaseConfig
from penstock.config.sources import CsvConfig, FolderConfig, JsonLinesConfig, ParquetConfig
from penstock.core.errors import ConfigError, DataFileError
from penstock.data.sources.decoded import decoded
from penstock.data.sources.json_lines import objects

SEPARATORS = (",", ";", "\t", "|")
SAMPLE_BYTES = 2**20
SAMPLE_ROWS = 100
IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
REWRITE = {
    ".json": " (write one object per line, as .jsonl)",
    ".xlsx": " (save the sheet as .csv)",
    ".xls": " (save the sheet as .csv)",
    ".gz": " (unpack it)",
}
PARQUET, JSON_LINES, TABLES = (".parquet",), (".jsonl", ".ndjson"), (".csv", ".tsv", ".txt", ".data")


@dataclass(frozen=True)
class SeenFile:
    """A file, and how it is read."""

    settings: dict[str, Any]
    """Keys of `source` besides `parts`."""
    columns: Sequence[str]
    """Columns that can be read."""
    notes: Sequence[str] = field(default=())
    """What was assumed, for people."""

    def source(self, parts: dict[str, str]) -> Any:  # noqa: ANN401  (one of the sources)
        """Return the settings of a source with these parts."""
        kinds: dict[str, type[BaseConfig]] = {
            "csv": CsvConfig,
            "parquet": ParquetConfig,
            "json_lines": JsonLinesConfig,
            "folder": FolderConfig,
        }
        return kinds[self.settings["kind"]].model_validate({**self.settings, "parts": parts})


def look_at(path: Path) -> SeenFile:
    """Return how a file is read.

    Raises:
        ConfigError: Its kind is not known.
        DataFileError: It is empty or damaged.
    """
    suffix = path.suffix.lower()
    if suffix in PARQUET:
        return SeenFile({"kind": "parquet"}, _parquet_columns(path))
    if suffix in JSON_LINES:
        return _json_lines(path)
    if suffix == ".zip":
        return _archive(path)
    if suffix in TABLES:
        return _csv(path)
    known = ", ".join((*TABLES, *PARQUET, *JSON_LINES, ".zip"))
    known = f"known are a folder per class, and {known}"
    raise ConfigError(f"{path}: the kind of file is not known by its name{REWRITE.get(suffix, '')}; {known}")


def _parquet_columns(path: Path) -> list[str]:
    try:
        return list(parquet.read_schema(path).names)
    except (OSError, ValueError) as error:
        raise DataFileError(f"{path.name}: not a Parquet file: {str(error).splitlines()[0]}") from None


def _json_lines(path: Path) -> SeenFile:
    names: dict[str, None] = {}
    nested: dict[str, None] = {}
    for _, row in islice(objects(path), SAMPLE_ROWS):
        names |= dict.fromkeys(row)
        nested |= dict.fromkeys(key for key, value in row.items() if isinstance(value, dict | list))
    if not names:
        raise DataFileError(f"{path.name}: the file is empty")
    problem = "it has objects or arrays; write their values as keys of the row"
    notes = [f"'{name}' is left out: {problem}" for name in nested]
    return SeenFile({"kind": "json_lines"}, [name for name in names if name not in nested], notes)


def _archive(path: Path) -> SeenFile:
    """Return an archive of a folder per class, with the kind of its files as its one column."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (OSError, zipfile.BadZipFile) as error:
        raise DataFileError(f"{path.name}: not a .zip archive: {error}") from None
    images = [name for name in names if name.lower().endswith(IMAGES)]
    column = "image" if 2 * len(images) > len(names) else "text"
    return SeenFile({"kind": "folder"}, [column, "label"], [f"the class of a file is its folder ({column}s)"])


def _csv(path: Path) -> SeenFile:
    encoding = _encoding(path)
    sample = _sample(path, encoding)
    if not sample.strip():
        raise DataFileError(f"{path.name}: the file is empty")
    separator = "\t" if path.suffix.lower() == ".tsv" else _separator(path.name, sample)
    rows = _rows(path.name, sample, separator)
    settings: dict[str, Any] = {"kind": "csv"}
    notes = [f"values are separated by {_named(separator)}, encoded as {encoding}"]
    if separator != ",":
        settings["separator"] = separator
    if encoding != "utf-8":
        settings["encoding"] = encoding
    if separator != "," and _has_decimal_commas(rows):
        settings["decimal"] = ","
        notes.append("numbers have a decimal comma")
    columns = rows[0]
    if all(_is_number(cell) for cell in columns if cell):
        columns = [f"column_{place}" for place in range(1, len(columns) + 1)]
        settings["header"] = tuple(columns)
        notes.append("the file has no header; its columns are called column_1 and so on")
    return SeenFile(settings, columns, notes)


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        begin = file.read(SAMPLE_BYTES)
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        begin.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return "utf-8" if error.start > len(begin) - 4 else "cp1252"
    return "utf-8"


def _sample(path: Path, encoding: str) -> str:
    """Return the text of the first lines."""
    sample = ""
    for text in decoded(path, encoding):
        sample += text
        if len(sample) >= SAMPLE_BYTES:
            break
    return sample


def _separator(name: str, sample: str) -> str:
    """Return the separator that splits the first rows into the same number of values, more than one."""
    best, columns = ",", 1
    for separator in SEPARATORS:
        widths = {len(row) for row in _rows(name, sample, separator)[:20]}
        if len(widths) == 1 and (width := widths.pop()) > columns:
            best, columns = separator, width
    return best


def _rows(name: str, sample: str, separator: str) -> list[list[str]]:
    """Return the first rows that are not blank."""
    csv.field_size_limit(len(sample) + 1)
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
    try:
        return [row for row in islice(reader, SAMPLE_ROWS) if row]
    except csv.Error as error:
        raise DataFileError(f"{name}:{reader.line_num}: {error}") from None


def _has_decimal_commas(rows: Sequence[Sequence[str]]) -> bool:
    cells = [cell for row in rows[1:] for cell in row]
    return any(_is_number(cell.replace(",", ".")) for cell in cells if cell.count(",") == 1) and not any(
        _is_number(cell) for cell in cells if "." in cell
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _named(separator: str) -> str:
    return {",": "commas", ";": "semicolons", "\t": "tabs"}.get(separator, repr(separator))
