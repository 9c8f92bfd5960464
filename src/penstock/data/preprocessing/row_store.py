"""Keep the rows of a part while it is read: in memory up to one batch, beyond that in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class RowStore:
    """Encoded rows in the order in which they are appended.

    Args:
        path: The file. It is written once there is more than one batch.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._in_memory: list[NDArray[Any]] = []
        self._in_file = 0

    def append(self, rows: NDArray[Any]) -> None:
        """Append a batch [rows, ...]; all batches have the same dtype and shape of a row."""
        self._in_memory.append(rows)
        if len(self._in_memory) > 1:
            self._write()

    def _write(self) -> None:
        with self._path.open("ab") as file:
            for rows in self._in_memory:
                file.write(np.ascontiguousarray(rows).data)
                self._in_file += len(rows)
        self._in_memory = [self._in_memory[0][:0]]

    def rows(self) -> NDArray[Any]:
        """Return all rows; memory-mapped if they are in a file."""
        if not self._in_file:
            return self._in_memory[0] if len(self._in_memory) == 1 else np.concatenate(self._in_memory)
        self._write()
        row = self._in_memory[0]
        return np.memmap(self._path, dtype=row.dtype, mode="r", shape=(self._in_file, *row.shape[1:]))
