"""Read and write processed data: memory-mapped arrays of each split, and a description.

data/processed/<dataset>/
    dataset_info.json
    <split>/inputs.npy     [rows, *shape]; float32, uint8 or int32
    <split>/labels.npy     int64 [rows]; several labels or numbers: float32 [rows, labels]
    <split>/rows.npy       int64 [rows]: source row in the official file
    folds.npy              int8 [repeats, train rows + validation rows]: the fold that holds out the row
    vocabulary.txt         texts only: one word per line, in the order of the ids
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import MissingFileError
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import atomic_write

SplitName = Literal["train", "validation", "test"]
ROWS_AT_ONCE = 10_000
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class ArraySplit:
    """Processed inputs and labels of some rows. Arrays read from disk are memory-mapped."""

    inputs: NDArray[Any]
    """[rows, *shape], float32, uint8 or int32."""
    labels: NDArray[Any]
    """int64 [rows]; several labels or numbers: float32 [rows, labels]."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: NDArray[np.int64]) -> ArraySplit:
        return ArraySplit(inputs=self.inputs[rows], labels=self.labels[rows])


@dataclass(frozen=True)
class ProcessedDataset:
    """Folder of one processed dataset, written by the preprocess stage."""

    folder: Path

    @property
    def info(self) -> DatasetInfo:
        """The description of the dataset."""
        return DatasetInfo.load(self.folder)

    def split(self, name: SplitName) -> ArraySplit:
        """Return the inputs and labels of a split."""
        return ArraySplit(inputs=self._array(f"{name}/inputs"), labels=self._array(f"{name}/labels"))

    def input_chunks(self, name: SplitName) -> Iterator[NDArray[Any]]:
        """Yield the inputs of a split in chunks of rows, so that only one chunk is resident."""
        # Every chunk is mapped anew: what was read of a mapping stays resident until it is closed.
        for begin in range(0, len(self._array(f"{name}/inputs")), ROWS_AT_ONCE):
            yield self._array(f"{name}/inputs")[begin : begin + ROWS_AT_ONCE]

    def rows(self, name: SplitName) -> NDArray[np.int64]:
        """Return the source rows of a split in the official file, int64 [rows]."""
        return self._array(f"{name}/rows")

    def folds(self) -> NDArray[np.int8]:
        """Return the fold that holds out each row, int8 [repeats, train rows + validation rows]."""
        return self._array("folds")

    def not_test(self) -> ArraySplit:
        """Return a copy of the training rows followed by the validation rows, in the order of `folds`."""
        parts = [self.split("train"), self.split("validation")]
        return ArraySplit(
            inputs=np.concatenate([part.inputs for part in parts]),
            labels=np.concatenate([part.labels for part in parts]),
        )

    def vocabulary(self) -> list[str]:
        """Return the words in the order of their ids. The first id is `FIRST_WORD`."""
        return (self.folder / "vocabulary.txt").read_text(encoding="utf-8").splitlines()

    def _array(self, name: str) -> NDArray[Any]:
        path = self.folder / f"{name}.npy"
        try:
            # Copy on write: torch requires writable memory, and the file must not change.
            array: NDArray[Any] = np.load(path, mmap_mode="c")
        except FileNotFoundError:
            raise MissingFileError(f"{path}: no such file; run `dvc repro preprocess` to create it") from None
        return array


def save_array(folder: Path, name: str, array: NDArray[Any]) -> None:
    """Write an array to `<folder>/<name>.npy`."""
    with atomic_write(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
        np.save(file, array)


def save_rows(folder: Path, name: str, array: NDArray[Any], rows: NDArray[np.int64]) -> None:
    """Write some rows of an array, as `save_array`, but without all of them in memory.

    Args:
        folder: Folder of the processed dataset.
        name: Name of the array.
        array: [all rows, ...], memory-mapped if it is large.
        rows: int64 [rows], the rows to write, in order.
    """
    chunks = (array[rows[begin : begin + ROWS_AT_ONCE]] for begin in range(0, len(rows), ROWS_AT_ONCE))
    save_chunks(folder, name, chunks, (len(rows), *array.shape[1:]), array.dtype)


def save_chunks(
    folder: Path, name: str, chunks: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    """Write an array that comes in chunks of rows, as `save_array`.

    Args:
        folder: Folder of the processed dataset.
        name: Name of the array.
        chunks: [any number of rows, ...], together all rows.
        shape: Shape of the array, [rows, ...].
        dtype: Its dtype, that of every chunk.
    """
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with atomic_write(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk).data)
