"""Convert a column of a source to numbers, booleans, categories or dates."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.core.errors import nearest
from penstock.data.sources.batch import SourceBatch

TRUE, FALSE = ("true", "1", "yes", "t", "y"), ("false", "0", "no", "f", "n")
LARGEST = 1e15  # sums of squares of larger values exceed float32


def numbers(batch: SourceBatch, column: str, *, required: bool) -> NDArray[np.float32]:
    """Return a column of numbers, float32 [rows]; NaN for a missing value.

    Raises:
        DataFileError: A value is no number of at most `LARGEST`, or is missing though required.
    """
    values = batch.column(column)
    array = pa.array(values) if isinstance(values, np.ndarray) else values
    found = np.array([_number(value) for value in array.to_pylist()], dtype=np.float64)
    for row in np.flatnonzero(~(np.abs(found) <= LARGEST)).tolist():
        value = array[row].as_py()
        if value is not None:
            batch.fail(row, column, f"{_shown(value)} is not a number of at most {LARGEST:g}")
        if required:
            batch.fail(row, column, "the value is missing")
    return found.astype(np.float32)


def _number(value: object) -> float:
    if value is None:
        return np.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return np.inf


def booleans(batch: SourceBatch, column: str, *, required: bool) -> NDArray[np.float32]:
    """Return a column of true and false as 1 and 0, float32 [rows]; NaN for a missing value.

    Raises:
        DataFileError: A value is neither, or is missing though required.
    """
    found = np.full(len(batch), np.nan, dtype=np.float32)
    for row, text in enumerate(batch.texts(column)):
        if text is None:
            if required:
                batch.fail(row, column, "the value is missing")
        elif text.lower() in TRUE or text.lower() in FALSE:
            found[row] = text.lower() in TRUE
        else:
            batch.fail(row, column, f"{_shown(text)} is neither true nor false")
    return found


def categories(batch: SourceBatch, column: str, values: tuple[str, ...], *, required: bool) -> NDArray[Any]:
    """Return a column of texts of a fixed set, object [rows] of str; an empty text for a missing value.

    Raises:
        DataFileError: A text is none of `values`, or is missing though required.
    """
    known = set(values)
    texts = batch.texts(column)
    for row, text in enumerate(texts):
        if text is None:
            if required:
                batch.fail(row, column, "the value is missing")
            texts[row] = ""
        elif text not in known:
            batch.fail(row, column, f"{_shown(text)} is no category{nearest(text, values)}")
    return texts


def dates(batch: SourceBatch, column: str, *, required: bool) -> NDArray[Any]:
    """Return a column of dates, object [rows] of str, YYYY-MM-DD; an empty text for a missing value.

    Raises:
        DataFileError: A value is no date, or is missing though required.
    """
    texts = batch.texts(column)
    for row, text in enumerate(texts):
        if text is None:
            if required:
                batch.fail(row, column, "the value is missing")
            texts[row] = ""
            continue
        try:
            texts[row] = date.fromisoformat(text[:10]).isoformat()
        except ValueError:
            batch.fail(row, column, f"{_shown(text)} is no date; write YYYY-MM-DD")
    return texts


def _shown(value: object) -> str:
    text = str(value)
    return f"'{text if len(text) <= 60 else text[:60] + '…'}'"
