"""Types of a dataset's reader. A file in this folder and an entry in params.yaml make a dataset."""

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
    """Raw inputs and labels of one official part: `train`, `test`, or `all`."""

    inputs: NDArray[Any]
    """Tables: float32 [rows, features]. Images: uint8 [rows, height, width]. Texts: object [rows] of str."""
    labels: NDArray[np.int64]
    """int64 [rows], indexes into the classes of the dataset."""

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> RawSplit:
        return RawSplit(inputs=self.inputs[rows], labels=self.labels[rows])


@dataclass(frozen=True)
class FallbackSource:
    """An installed library that contains a dataset."""

    library: str
    """Name, for messages."""
    read: Callable[[str], bytes]
    """Returns the official bytes of the file with a name."""


@dataclass(frozen=True, kw_only=True)
class RawDataset:
    """What a dataset's file declares, as `DATASET`."""

    classes: tuple[str, ...]
    """Names, in the order of the labels."""
    description: str
    """What one raw input is, for users."""
    read: Callable[[Path], Mapping[str, RawSplit]]
    """Reads the official parts from the folder of the files: `train` and `test`, or `all`."""
    offline: FallbackSource | None = None
    """The last source of the files."""


def raw_split_for(parts: Mapping[str, RawSplit], split: Literal["train", "test"]) -> RawSplit:
    """Return the official part that a split takes its rows from: its own, or `all`."""
    return parts[split] if split in parts else parts["all"]


def load_dataset(name: str) -> RawDataset:
    """Import `<name>.py` of this folder, and return its dataset.

    Raises:
        ConfigError: There is no such file.
    """
    known = [module.name for module in iter_modules([str(Path(__file__).parent)]) if module.name != "base"]
    if name not in known:
        raise ConfigError(f"params.yaml: datasets.{name}: has no file {name}.py here{nearest(name, known)}")
    dataset: RawDataset = import_module(f"penstock.data.datasets.{name}").DATASET
    return dataset
