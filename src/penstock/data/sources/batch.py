"""A batch of rows as a source gives them: named columns, and where each value stands in the files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.core.errors import DataFileError, nearest

BATCH_ROWS = 10_000
# Decoded, an image may take a hundred times the bytes of its file.
BATCH_FILES = 256


@dataclass(frozen=True)
class SourceBatch:
    """Consecutive rows of one file."""

    columns: Mapping[str, pa.Array | NDArray[Any]]
    """Values by column. Arrow arrays have null for a missing value; arrays of binary are the contents of files. NumPy
    arrays are images or labels."""
    place: Callable[[int, str | None], str]
    """Function from a row of the batch and a column to its place, such as `wine.csv:17: alcohol`."""
    decimal: str = "."
    """Decimal mark of numbers in texts."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def column(self, name: str) -> pa.Array | NDArray[Any]:
        """Return a column."""
        return self.columns[name]

    def arrow(self, name: str) -> pa.Array:
        """Return a column as an Arrow array that is not dictionary-encoded."""
        values = self.column(name)
        array = pa.array(values) if isinstance(values, np.ndarray) else values
        return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array

    def arrow_texts(self, name: str) -> pa.Array:
        """Return a column as an Arrow array of strings; null for a missing value.

        Raises:
            DataFileError: The column has no texts, such as one of lists.
        """
        array = self.arrow(name)
        try:
            return array.cast(pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            self.fail(0, name, f"the column is of type {array.type}; expected texts")

    def texts(self, name: str) -> NDArray[Any]:
        """Return a column as object [rows] of str; None for a missing value."""
        texts: NDArray[Any] = self.arrow_texts(name).to_numpy(zero_copy_only=False)
        return texts.astype(object)

    def fail(self, row: int, column: str | None, problem: str) -> NoReturn:
        """Raise a DataFileError that names the place of a value."""
        raise DataFileError(f"{self.place(row, column)}: {problem}")


def require_columns(file: str, wanted: Iterable[str], available: Iterable[str]) -> None:
    """Raise a DataFileError if a file does not have a column."""
    known = list(available)
    for name in wanted:
        if name not in known:
            raise DataFileError(f"{file}: no column '{name}'{nearest(name, known)}")
