"""Describe inputs and outputs in the metadata of an exported file, for forms, `/predict` and CSV files.

docs/serving.md ("Describe the columns") defines the entries.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.io.column_info import ColumnInfo
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ProcessedDataset

DIGITS = 6  # significant digits of a range
MISSING = {"number": "NaN", "category": "", "boolean": "", "date": ""}


def described(processed: ProcessedDataset) -> dict[str, str]:
    """Return the entries of the metadata: `ranges` of a table, `columns` of a mixed table, `targets` of a regression.

    Ranges are those of the training rows.
    """
    info = processed.info
    return _inputs(info, processed) | _targets(info)


def _inputs(info: DatasetInfo, processed: ProcessedDataset) -> dict[str, str]:
    match info.kind:
        case "table":
            inputs = processed.split("train").inputs
            ranges = zip(inputs.min(axis=0), inputs.max(axis=0), strict=True)
            return {"ranges": json.dumps([[round(float(low), 4), round(float(high), 4)] for low, high in ranges])}
        case "columns":
            columns = zip(info.columns, processed.split("train").inputs.T, strict=True)
            return {"columns": json.dumps([_column(column, values) for column, values in columns])}
        case _:
            return {}


def _targets(info: DatasetInfo) -> dict[str, str]:
    if not info.targets:
        return {}
    described = [{"name": target.name} | ({"unit": target.unit} if target.unit else {}) for target in info.targets]
    return {"targets": json.dumps(described)}


def _column(column: ColumnInfo, values: NDArray[np.float32]) -> dict[str, Any]:
    content: dict[str, Any] = {"name": column.name, "kind": _kind(column)}
    if column.unit:
        content["unit"] = column.unit
    if column.description:
        content["description"] = column.description
    present = values[~np.isnan(values)]
    if column.kind == "number" and len(present):
        content |= {"range": [_short(present.min()), _short(present.max())], "example": _short(np.median(present))}
    if column.kind == "date" and len(present):
        content["example"] = str(np.median(present).astype("datetime64[D]"))
    if column.kind == "category":
        content["categories"] = list(column.categories)
    if column.kind == "boolean":
        content["categories"] = ["false", "true"]
    if not column.required:
        content["missing"] = MISSING[column.kind]
    return content


def _kind(column: ColumnInfo) -> str:
    """Return the kind of the input: a boolean is a text of two categories, which may be missing."""
    return "category" if column.kind == "boolean" else column.kind


def _short(value: np.floating[Any]) -> float:
    return float(f"{value:.{DIGITS}g}")
