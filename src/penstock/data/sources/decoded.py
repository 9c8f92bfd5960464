"""The text of a file in any encoding, as UTF-8."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

from penstock.core.errors import DataFileError

CHUNK_BYTES = 2**18
BYTE_ORDER_MARK = "\ufeff"


class DecodedFile:
    """A file whose text is read as UTF-8, without a byte order mark; for Arrow, which reads from any thread.

    Args:
        path: The file.
        encoding: Python's name of its encoding.
    """

    closed = False

    def __init__(self, path: Path, encoding: str) -> None:
        self._texts = decoded(path, encoding)
        self._pending = b""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`; none at the end.

        Raises:
            DataFileError: A byte is not of the encoding.
        """
        while size < 0 or len(self._pending) < size:
            text = next(self._texts, None)
            if text is None:
                break
            self._pending += text.encode()
        size = len(self._pending) if size < 0 else size
        content, self._pending = self._pending[:size], self._pending[size:]
        return content

    def close(self) -> None:
        """Close the file."""
        self._texts.close()  # type: ignore[attr-defined]
        self.closed = True


def decoded(path: Path, encoding: str) -> Iterator[str]:
    """Yield the text of a file in chunks, without a byte order mark.

    Raises:
        DataFileError: A byte is not of the encoding; the message names its line.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line_ends = io.IncrementalNewlineDecoder(None, translate=True)
    line, first = 1, True
    with path.open("rb") as file:
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
    return f"{file}:{line}: {byte} is not {encoding}; set `source.encoding`, such as {other}"
