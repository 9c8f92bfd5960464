"""Processed data on disk: memory-mapped arrays of each split, and their description.

data/processed/<dataset>/
    dataset_info.json
    <split>/inputs.npy     [rows, *shape]; float32, uint8 or int32
    <split>/labels.npy     int64 [rows]
    <split>/rows.npy       int64 [rows]: the row of the official file that each row comes from
    folds.npy              int8 [repeats, rows of train, then of validation]: the fold that holds out the row
    vocabulary.txt         texts only: one word per line, in the order of their ids
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import MissingFileError
from penstock.io.dataset_info import DatasetInfo

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class ArraySplit:
    """Rows of processed inputs and their labels; memory-mapped when read from disk."""

    inputs: NDArray[Any]
    """[rows, *shape], float32, uint8 or int32."""
    labels: NDArray[np.int64]
    """int64 [rows]."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: NDArray[np.int64]) -> ArraySplit:
        return ArraySplit(inputs=self.inputs[rows], labels=self.labels[rows])


@dataclass(frozen=True)
class ProcessedDataset:
    """A folder that preprocessing has written."""

    folder: Path

    @property
    def info(self) -> DatasetInfo:
        """The description of the dataset."""
        return DatasetInfo.load(self.folder)

    def split(self, name: SplitName) -> ArraySplit:
        """Return the inputs and labels of a split."""
        return ArraySplit(inputs=self._array(f"{name}/inputs"), labels=self._array(f"{name}/labels"))

    def rows(self, name: SplitName) -> NDArray[np.int64]:
        """Return the rows of the official file that a split consists of, int64 [rows]."""
        return self._array(f"{name}/rows")

    def folds(self) -> NDArray[np.int8]:
        """Return the fold that holds out each row, int8 [repeats, rows of train, then of validation]."""
        return self._array("folds")

    def not_test(self) -> ArraySplit:
        """Return a copy of the training and validation rows together, in the order of `folds`."""
        parts = [self.split("train"), self.split("validation")]
        return ArraySplit(
            inputs=np.concatenate([part.inputs for part in parts]),
            labels=np.concatenate([part.labels for part in parts]),
        )

    def vocabulary(self) -> list[str]:
        """Return the words in the order of their ids, from `FIRST_WORD` on."""
        return (self.folder / "vocabulary.txt").read_text(encoding="utf-8").splitlines()

    def _array(self, name: str) -> NDArray[Any]:
        path = self.folder / f"{name}.npy"
        try:
            # Copy on write, since torch requires writable memory; the file is not changed.
            array: NDArray[Any] = np.load(path, mmap_mode="c")
        except FileNotFoundError:
            raise MissingFileError(f"{path}: no such file; `dvc repro preprocess` makes it") from None
        return array


def save_array(folder: Path, name: str, array: NDArray[Any]) -> None:
    """Write an array to `<folder>/<name>.npy`."""
    path = folder / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
