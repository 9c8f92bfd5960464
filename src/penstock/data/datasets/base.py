"""One file per dataset: how its official files are read. A file here and an entry in params.yaml make a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import ConfigError, nearest


@dataclass(frozen=True, kw_only=True)
class RawSplit:
    """One official part (train, test, or all): what a user of the model has, and the right answers.

    inputs: raw inputs, one a row; numbers float32 [rows, features], pixels uint8 [rows, height, width],
        texts object [rows] of str.
    labels: int64 [rows], indexes into the dataset's classes.
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> RawSplit:
        return RawSplit(inputs=self.inputs[rows], labels=self.labels[rows])


@dataclass(frozen=True)
class FallbackSource:
    """A library on every installation that carries a dataset; `read` gives a file's official bytes by its name."""

    library: str
    read: Callable[[str], bytes]


@dataclass(frozen=True, kw_only=True)
class RawDataset:
    """What only this dataset knows: the names of its classes, what a raw input is, and how to read its files."""

    classes: tuple[str, ...]
    description: str
    read: Callable[[Path], Mapping[str, RawSplit]]
    offline: FallbackSource | None = None


def raw_split_for(parts: Mapping[str, RawSplit], split: Literal["train", "test"]) -> RawSplit:
    """The official part whose rows a split takes: its own, or the only one there is."""
    return parts[split] if split in parts else parts["all"]


def load_dataset(name: str) -> RawDataset:
    """The dataset whose file in this folder is `name`.py; only that file is imported."""
    known = [module.name for module in iter_modules([str(Path(__file__).parent)]) if module.name != "base"]
    if name not in known:
        raise ConfigError(f"params.yaml: datasets.{name}: has no file {name}.py here{nearest(name, known)}")
    dataset: RawDataset = import_module(f"penstock.data.datasets.{name}").DATASET
    return dataset
