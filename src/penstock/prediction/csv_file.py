"""Read a CSV file row by row, with the lines of its rows."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TextIO, cast

from penstock.core.errors import ConfigError
from penstock.core.file_kinds import binary_kind
from penstock.core.plurals import counted

STDIN = "-"
MAX_FIELD_SIZE = 16 * 2**20  # characters; a quote that is not closed takes no more memory
# How Python marks a byte that is not of the encoding.
NOT_DECODED = re.compile("[\udc80-\udcff]")
JSON_START = re.compile(rb"(\xef\xbb\xbf)?\s*(\{\s*\"|\[\s*\{)")
OTHER_SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written."""

    separator: str = ","
    encoding: str = "utf-8-sig"


class CsvFile:
    """A CSV file with a header.

    Args:
        name: Name for messages.
        text: Its text; a byte that is not of the encoding is a surrogate.
        form: How it is written.

    Raises:
        ConfigError: It has no header, or the header has a name twice.
    """

    def __init__(self, name: str, text: TextIO, form: CsvFormat) -> None:
        self.name = name
        self._form = form
        self._lines = 0
        self._before = 0
        csv.field_size_limit(MAX_FIELD_SIZE)
        self._reader = csv.reader(self._decoded(text), delimiter=form.separator, strict=True)
        self.header = self._read_header()
        """Names of the columns."""

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the first line and the fields of each row; empty lines are skipped.

        Raises:
            ConfigError: A row has more or fewer fields than the header, or cannot be parsed.
        """
        while (fields := self._next()) is not None:
            line = self._before + 1
            if not fields:
                continue
            if len(fields) != len(self.header):
                raise self.error(line, f"{counted(len(fields), 'field')}, and the header has {len(self.header)}")
            yield line, fields

    def error(self, line: int, reason: str) -> ConfigError:
        """Return the error of a line."""
        return ConfigError(f"{self.name}:{line}: {reason}")

    def _next(self) -> list[str] | None:
        self._before = self._reader.line_num
        try:
            return next(self._reader, None)
        except csv.Error as error:
            hint = "; double a quote within a field, or give the separator by --sep" if "after" in str(error) else ""
            raise self.error(self._before + 1, f"{error}{hint}") from None
        except UnicodeError as error:
            raise self.error(self._lines + 1, f"not {self._form.encoding}: {error}; give --encoding") from None

    def _read_header(self) -> list[str]:
        header = self._next()
        while header == []:
            header = self._next()
        if header is None:
            raise ConfigError(f"{self.name}: the file is empty; expected a header with the names of the columns")
        names = [name.strip() for name in header]
        line = self._before + 1
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise self.error(line, f"the header has the column '{twice}' twice")
        other = next((one for one in OTHER_SEPARATORS if one in names[0]), None)
        if len(names) == 1 and other:
            shown = "tab" if other == "\t" else f"'{other}'"
            raise self.error(line, f"the header is one field, '{names[0]}'; give the separator: --sep {shown}")
        return names

    def _decoded(self, text: TextIO) -> Iterator[str]:
        for line in text:
            self._lines += 1
            if not line.isascii() and (found := NOT_DECODED.search(line)):
                byte = ord(found[0]) - 0xDC00
                encoding = "UTF-8" if self._form.encoding == "utf-8-sig" else self._form.encoding
                other = "utf-16" if self._lines == 1 and byte in (0xFE, 0xFF) else "latin-1"
                reason = f"not {encoding} (byte 0x{byte:02x}); give the encoding, such as --encoding {other}"
                raise self.error(self._lines, reason)
            yield line


@contextmanager
def open_csv(path: str, form: CsvFormat) -> Iterator[CsvFile]:
    """Open a CSV file, or standard input.

    Raises:
        ConfigError: There is no such file, it is of another kind, or it has no header.
    """
    with _opened(path) as file:
        name = "stdin" if path == STDIN else path
        if kind := _other_kind(file.peek()):
            raise ConfigError(f"{name}: {kind}; --csv takes text with a header and separated columns; {_remedy(kind)}")
        text = io.TextIOWrapper(file, form.encoding, "surrogateescape", newline="")
        try:
            yield CsvFile(name, text, form)
        finally:
            text.detach()


@contextmanager
def _opened(path: str) -> Iterator[BufferedReader]:
    if path == STDIN:
        if sys.stdin is None:  # Python's way to say that it is closed
            raise ConfigError("--csv -: standard input is closed")
        yield cast("BufferedReader", sys.stdin.buffer)
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    with file:
        yield file


def _other_kind(first: bytes) -> str | None:
    return binary_kind(first) or ("JSON" if JSON_START.match(first) else None)


def _remedy(kind: str) -> str:
    if "image" in kind:
        return "give one image without --csv, or a CSV file with the paths of many"
    return "convert it to CSV"
