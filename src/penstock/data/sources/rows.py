"""The rows of a dataset: raw inputs and labels of each part of its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Selection = NDArray[np.int64] | slice
Part = TypeVar("Part")


@dataclass(frozen=True, kw_only=True)
class RawSplit:
    """Raw inputs and labels of one part of the files: `train`, `validation`, `test`, or `all`."""

    inputs: NDArray[Any]
    """Tables: float32 [rows, features]. Mixed tables: a structured array [rows] with a field for each column, float32
    for numbers and object (str) for other kinds, as the exported file takes them. Images: uint8 [rows, height, width]
    or [rows, height, width, 3]. Texts: object [rows] of str."""
    labels: NDArray[Any]
    """A class: int64 [rows], index into the classes. Several labels: float32 [rows, labels] of 0 and 1. Numbers:
    float32 [rows, numbers]."""
    groups: NDArray[Any] | None = None
    """Values of the column that a split keeps together, object [rows] of str, None for a missing value; or by which it
    orders the rows, float64 or datetime64[us] [rows]. None without such a column."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Selection) -> RawSplit:
        groups = None if self.groups is None else self.groups[rows]
        return RawSplit(inputs=self.inputs[rows], labels=self.labels[rows], groups=groups)


def joined(chunks: Iterable[RawSplit]) -> RawSplit:
    """Join chunks of rows, in their order; at least one."""
    parts = list(chunks)
    if len(parts) == 1:
        return parts[0]
    groups = [part.groups for part in parts if part.groups is not None]
    return RawSplit(
        inputs=np.concatenate([part.inputs for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        groups=np.concatenate(groups) if groups else None,
    )


def by_column(inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the columns of a mixed table, each [rows], by name."""
    return {name: inputs[name] for name in inputs.dtype.names or ()}


def part_for(parts: Mapping[str, Part], split: str) -> Part:
    """Return the part that contains the rows of a split: the part of that name, `train` for validation, or `all`."""
    for name in (split, "train" if split == "validation" else split):
        if name in parts:
            return parts[name]
    return parts["all"]
