"""Define the types of a dataset reader.

To add a dataset, add a file to this folder and an entry to params.yaml.
"""

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
    """Raw inputs and labels of one part of the official files: `train`, `test`, or `all`."""

    inputs: NDArray[Any]
    """Tables: float32 [rows, features]. Images: uint8 [rows, height, width]. Texts: object [rows] of str."""
    labels: NDArray[np.int64]
    """int64 [rows], indices into the classes of the dataset."""

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> RawSplit:
        return RawSplit(inputs=self.inputs[rows], labels=self.labels[rows])


@dataclass(frozen=True)
class FallbackSource:
    """An installed library that contains a dataset."""

    library: str
    """Name of the library, for messages."""
    read: Callable[[str], bytes]
    """Function from a file name to the official bytes of the file."""


@dataclass(frozen=True, kw_only=True)
class RawDataset:
    """Declaration of a dataset, stored as `DATASET` in its file."""

    classes: tuple[str, ...]
    """Class names, in the order of the labels."""
    description: str
    """Description of one raw input, for users."""
    read: Callable[[Path], Mapping[str, RawSplit]]
    """Function from the folder of the files to the official parts: `train` and `test`, or `all`."""
    offline: FallbackSource | None = None
    """Source to use if all downloads fail."""


def raw_split_for(parts: Mapping[str, RawSplit], split: Literal["train", "test"]) -> RawSplit:
    """Return the official part that contains the rows of a split: the part of that name, or `all`."""
    return parts[split] if split in parts else parts["all"]


def load_dataset(name: str) -> RawDataset:
    """Import `<name>.py` from this folder and return its `DATASET`.

    Raises:
        ConfigError: The file does not exist.
    """
    known = [module.name for module in iter_modules([str(Path(__file__).parent)]) if module.name != "base"]
    if name not in known:
        raise ConfigError(
            f"params.yaml: datasets.{name}: src/penstock/data/datasets/ has no file {name}.py{nearest(name, known)}"
        )
    dataset: RawDataset = import_module(f"penstock.data.datasets.{name}").DATASET
    return dataset
