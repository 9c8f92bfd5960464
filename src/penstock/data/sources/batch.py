"""A batch of rows as a source gives them: named columns, and where each value stands in the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.core.errors import DataFileError, nearest

BATCH_ROWS = 10_000


@dataclass(frozen=True)
class SourceBatch:
    """Consecutive rows of one file."""

    columns: Mapping[str, pa.Array | NDArray[Any]]
    """Values by column. Arrow arrays have null for a missing value; NumPy arrays are images or labels."""
    place: Callable[[int, str | None], str]
    """Function from a row of the batch and a column to its place, such as `wine.csv:17: alcohol`."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def column(self, name: str) -> pa.Array | NDArray[Any]:
        """Return a column.

        Raises:
            DataFileError: There is none of this name.
        """
        if name not in self.columns:
            file = self.place(0, None).split(":")[0]
            raise DataFileError(f"{file}: no column '{name}'{nearest(name, self.columns)}")
        return self.columns[name]

    def texts(self, name: str) -> NDArray[Any]:
        """Return a column as object [rows] of str; None for a missing value."""
        values = self.column(name)
        if isinstance(values, np.ndarray):
            return values.astype(str).astype(object)
        return np.array(values.cast(pa.string()).to_pylist(), dtype=object)

    def fail(self, row: int, column: str | None, problem: str) -> NoReturn:
        """Raise a DataFileError that names the place of a value."""
        raise DataFileError(f"{self.place(row, column)}: {problem}")
