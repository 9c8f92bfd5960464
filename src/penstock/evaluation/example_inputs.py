"""Raw input rows in examples.npz, for the registry and the model card.

NumPy need not pickle them: texts are stored as Unicode arrays, and each column of a mixed table is one array.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.data.sources.rows import by_column

NAME = "example_inputs"
OF_COLUMN = f"{NAME}/"


def example_arrays(rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return raw input rows as arrays of examples.npz, by name."""
    columns = {f"{OF_COLUMN}{name}": values for name, values in by_column(rows).items()} or {NAME: rows}
    return {name: values.astype(str) if values.dtype == object else values for name, values in columns.items()}


def read_example_inputs(path: Path) -> NDArray[Any]:
    """Return the raw input rows of examples.npz, as the exported file takes them; of a mixed table a structured array.

    Raises:
        OSError: The file cannot be read.
    """
    with np.load(path, allow_pickle=False) as arrays:
        if NAME in arrays:
            return _raw(arrays[NAME])
        columns = {
            name.removeprefix(OF_COLUMN): _raw(arrays[name]) for name in arrays.files if name.startswith(OF_COLUMN)
        }
    rows = np.empty(len(next(iter(columns.values()))), dtype=[(name, of.dtype) for name, of in columns.items()])
    for name, values in columns.items():
        rows[name] = values
    return rows


def _raw(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(object) if values.dtype.kind == "U" else values
