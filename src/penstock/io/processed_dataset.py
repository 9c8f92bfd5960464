"""Processed data on disk: memory-mapped arrays per split, and the info that describes them.

data/processed/<dataset>/
    dataset_info.json
    <split>/inputs.npy     [rows, *shape]; float32, uint8 or int32
    <split>/labels.npy     int64 [rows]
    <split>/rows.npy       int64 [rows]: which row of the official part each one is
    folds.npy              int8 [repeats, rows of train, then of validation]: the fold that tests the row
    vocabulary.txt         texts only: one word a line, in the order of their ids
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
    """inputs: [rows, *shape]; labels: int64 [rows]. Memory-mapped when read from disk."""

    inputs: NDArray[Any]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: NDArray[np.int64]) -> ArraySplit:
        return ArraySplit(inputs=self.inputs[rows], labels=self.labels[rows])


@dataclass(frozen=True)
class ProcessedDataset:
    """A folder that preprocessing wrote."""

    folder: Path

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo.load(self.folder)

    def split(self, name: SplitName) -> ArraySplit:
        return ArraySplit(inputs=self._array(f"{name}/inputs"), labels=self._array(f"{name}/labels"))

    def rows(self, name: SplitName) -> NDArray[np.int64]:
        return self._array(f"{name}/rows")

    def folds(self) -> NDArray[np.int8]:
        return self._array("folds")

    def not_test(self) -> ArraySplit:
        """Training and validation rows together, in the order of `folds`; a copy in memory."""
        parts = [self.split("train"), self.split("validation")]
        return ArraySplit(
            inputs=np.concatenate([part.inputs for part in parts]),
            labels=np.concatenate([part.labels for part in parts]),
        )

    def vocabulary(self) -> list[str]:
        return (self.folder / "vocabulary.txt").read_text(encoding="utf-8").splitlines()

    def _array(self, name: str) -> NDArray[Any]:
        path = self.folder / f"{name}.npy"
        try:
            # Copy on write: torch wants memory that it might write to; the file stays as it is.
            array: NDArray[Any] = np.load(path, mmap_mode="c")
        except FileNotFoundError:
            raise MissingFileError(f"{path}: no such file; `dvc repro preprocess` makes it") from None
        return array


def save_array(folder: Path, name: str, array: NDArray[Any]) -> None:
    path = folder / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
