"""Divide test rows into slices: by the length of texts, by the size of a number, and by category."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.io.column_info import ColumnInfo
from penstock.io.dataset_info import DatasetInfo

QUARTILES = (0.25, 0.5, 0.75)
MOST_COLUMNS, MOST_CATEGORIES = 4, 12  # of slices by category
MISSING = "(missing)"

Rows = NDArray[np.bool_]


def input_slices(
    inputs: NDArray[Any], info: DatasetInfo, scores: Callable[[Rows], dict[str, float]]
) -> dict[str, list[dict[str, Any]]]:
    """Return the scores of texts by length, and of mixed tables by category, as `slices` of validation.json.

    Args:
        inputs: Raw test rows.
        info: The dataset.
        scores: Function from rows, bool [N], to their scores by name.
    """
    found: dict[str, Iterable[tuple[str, Rows]]] = {}
    if info.kind == "text":
        found["length"] = length_slices(inputs)
    if info.kind == "columns":
        found |= category_slices(inputs, info)
    return {
        title: [{"slice": name, "rows": int(rows.sum())} | scores(rows) for name, rows in slices]
        for title, slices in found.items()
    }


def length_slices(texts: NDArray[Any]) -> Iterator[tuple[str, Rows]]:
    """Yield the quarters of the texts by number of words: name, and which rows belong to it, bool [N].

    Words are separated by white space.
    """
    lengths = np.array([len(text.split()) for text in texts])
    for name, rows in quarters(lengths):
        yield f"{name} words", rows


def quarters(values: NDArray[Any]) -> Iterator[tuple[str, Rows]]:
    """Yield the quarters of the rows by a number: its range, and which rows belong to it, bool [N].

    Equal numbers are in the same slice, so that there may be fewer than four.
    """
    numbers = np.searchsorted(np.quantile(values, QUARTILES), values)
    for number in np.unique(numbers):
        rows = numbers == number
        yield f"{values[rows].min():g} to {values[rows].max():g}", rows


def category_slices(inputs: NDArray[Any], info: DatasetInfo) -> Iterator[tuple[str, list[tuple[str, Rows]]]]:
    """Yield the first columns of few categories in a mixed table: name, and its categories that rows have.

    Args:
        inputs: Raw test rows.
        info: The dataset.
    """
    columns = [column for column in info.columns if _has_few_categories(column)]
    for column in columns[:MOST_COLUMNS]:
        texts = inputs[column.name].astype(str)
        slices = [(text or MISSING, texts == text) for text in dict.fromkeys([*_categories(column), ""])]
        yield column.name, [(name, rows) for name, rows in slices if rows.any()]


def _has_few_categories(column: ColumnInfo) -> bool:
    return column.kind in ("category", "boolean") and len(_categories(column)) <= MOST_CATEGORIES


def _categories(column: ColumnInfo) -> tuple[str, ...]:
    return column.categories if column.kind == "category" else ("false", "true")
