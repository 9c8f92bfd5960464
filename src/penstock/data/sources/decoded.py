"""The text of a file in any encoding, as UTF-8."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from penstock.core.errors import DataFileError
from penstock.core.file_kinds import FIRST_BYTES, binary_kind

CHUNK_BYTES = 2**18
BYTE_ORDER_MARK = "\ufeff"
UTF8 = ("utf-8", "utf-8-sig", "ascii")
"""Encodings whose texts are UTF-8 as they are, but for a byte order mark."""


@contextmanager
def utf8_file(path: Path, encoding: str) -> Iterator[Path]:
    """Give a file that has the text as UTF-8: the file itself, or a copy that is removed afterwards.

    Raises:
        DataFileError: A byte is not of the encoding. Bytes of a file that is said to be UTF-8 are not looked at.
    """
    if codecs.lookup(encoding).name in UTF8:
        yield path
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        with copy.open("wb") as file:
            file.writelines(text.encode() for text in decoded(path, encoding))
        yield copy


def decoded(path: Path, encoding: str) -> Iterator[str]:
    """Yield the text of a file in chunks, without a byte order mark.

    Raises:
        DataFileError: The file is no text, or a byte is not of the encoding; the message names its line.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line_ends = io.IncrementalNewlineDecoder(None, translate=True)
    line, first = 1, True
    with path.open("rb") as file:
        if kind := binary_kind(file.peek(FIRST_BYTES)):
            raise DataFileError(f"{path.name}: {kind}, not text")
        while True:
            content = file.read(CHUNK_BYTES)
            state = decoder.getstate()
            try:
                text = decoder.decode(content, final=not content)
            except UnicodeDecodeError as error:
                decoder.setstate(state)
                before = decoder.decode(content[: max(0, error.start - len(state[0]))])
                line += line_ends.decode(before).count("\n")
                raise DataFileError(_not_decoded(path.name, line, encoding, error)) from None
            line += line_ends.decode(text).count("\n")
            yield text.removeprefix(BYTE_ORDER_MARK) if first else text
            first = first and not text
            if not content:
                return


def lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a file with their line ends, for the module `csv`. Bytes of another encoding are replaced."""
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        for number, line in enumerate(file):
            yield line if number else line.removeprefix(BYTE_ORDER_MARK)


def _not_decoded(file: str, line: int, encoding: str, error: UnicodeDecodeError) -> str:
    other = "utf-16" if error.object[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "cp1252"
    byte = f"byte 0x{error.object[error.start]:02x}"
    example = "" if other == encoding else f", such as {other}"
    return f"{file}:{line}: {byte} is not {encoding}; set `source.encoding`{example}"
