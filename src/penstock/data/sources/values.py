"""Convert a column of a source to numbers, booleans, categories or dates.

A whole column is converted at once. Only where that fails, the first wrong row is looked for.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.core.errors import nearest
from penstock.data.sources.batch import SourceBatch
from penstock.io.cell_texts import FALSE, TRUE, day_of

LARGEST = 1e15  # sums of squares of larger values exceed float32


def numbers(batch: SourceBatch, column: str, *, required: bool) -> NDArray[np.float32]:
    """Return a column of numbers, float32 [rows]; NaN for a missing value.

    Blanks around a number are ignored. NaN in a column of floats is a missing value.

    Raises:
        DataFileError: A value is no number of at most `LARGEST`, or is missing though required.
    """
    array = batch.arrow(column)
    floats = _floats_of_texts(batch, column) if _is_text(array) else _floats(batch, column, array)
    missing = floats.is_null(nan_is_null=not _is_text(array)).to_numpy(zero_copy_only=False)
    if required:
        _require(batch, column, missing)
    found: NDArray[np.float64] = floats.to_numpy(zero_copy_only=False)
    wrong = ~missing & ~(np.abs(found) <= LARGEST)
    if wrong.any():
        _fail_number(batch, column, int(wrong.argmax()))
    return np.where(missing, np.nan, found).astype(np.float32)


def _is_text(array: pa.Array) -> bool:
    return bool(pa.types.is_string(array.type) or pa.types.is_large_string(array.type))


def _floats(batch: SourceBatch, column: str, array: pa.Array) -> pa.Array:
    kind = array.type
    if not any(
        check(kind)
        for check in (
            pa.types.is_integer,
            pa.types.is_floating,
            pa.types.is_decimal,
            pa.types.is_boolean,
            pa.types.is_null,
        )
    ):
        batch.fail(0, column, f"the column is of type {kind}; expected numbers")
    return array.cast(pa.float64(), safe=False)


def _floats_of_texts(batch: SourceBatch, column: str) -> pa.Array:
    texts = pc.utf8_trim_whitespace(batch.arrow_texts(column))
    if batch.decimal != ".":
        points = pc.fill_null(pc.match_substring(texts, "."), False).to_numpy(zero_copy_only=False)
        if points.any():
            _fail_number(batch, column, int(points.argmax()))
        texts = pc.replace_substring(texts, batch.decimal, ".")
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        _fail_number(batch, column, next(row for row in range(len(texts)) if not _parses(texts.slice(row, 1))))


def _parses(text: pa.Array) -> bool:
    try:
        text.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _fail_number(batch: SourceBatch, column: str, row: int) -> NoReturn:
    batch.fail(row, column, f"{shown(batch.arrow(column)[row].as_py())} is not a number of at most {LARGEST:g}")


def booleans(batch: SourceBatch, column: str, *, required: bool) -> NDArray[np.float32]:
    """Return a column of true and false as 1 and 0, float32 [rows]; NaN for a missing value.

    Raises:
        DataFileError: A value is neither, or is missing though required.
    """
    texts = batch.arrow_texts(column)
    found = index_in(pc.utf8_lower(pc.utf8_trim_whitespace(texts)), TRUE + FALSE)
    missing = _missing(batch, column, texts, required=required)
    wrong = ~missing & (found < 0)
    if wrong.any():
        row = int(wrong.argmax())
        batch.fail(row, column, f"{shown(texts[row].as_py())} is neither true nor false")
    return np.where(missing, np.nan, found < len(TRUE)).astype(np.float32)


def categories(batch: SourceBatch, column: str, values: tuple[str, ...], *, required: bool) -> NDArray[Any]:
    """Return a column of texts of a fixed set, object [rows] of str; an empty text for a missing value.

    Raises:
        DataFileError: A text is none of `values`, or is missing though required.
    """
    texts = batch.arrow_texts(column)
    found = index_in(texts, values)
    missing = _missing(batch, column, texts, required=required)
    wrong = ~missing & (found < 0)
    if wrong.any():
        row = int(wrong.argmax())
        text = texts[row].as_py()
        batch.fail(row, column, f"{shown(text)} is no category{nearest(text, values)}")
    return _taken([*values, ""], found)


def dates(batch: SourceBatch, column: str, *, required: bool) -> NDArray[Any]:
    """Return a column of dates, object [rows] of str, YYYY-MM-DD; an empty text for a missing value.

    The time of a timestamp is cut off, without a conversion between time zones.

    Raises:
        DataFileError: A value is no date, or is missing though required.
    """
    array = batch.arrow(column)
    if pa.types.is_timestamp(array.type):
        array = (pc.local_timestamp(array) if array.type.tz else array).cast(pa.date32(), safe=False)
    texts = array.cast(pa.string()) if pa.types.is_date(array.type) else batch.arrow_texts(column)
    missing = _missing(batch, column, texts, required=required)
    encoded = pc.utf8_trim_whitespace(texts).dictionary_encode()
    days = [day_of(text) for text in encoded.dictionary.to_pylist()]
    found = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    wrong = ~missing & np.array([day is None for day in days] + [False])[found]
    if wrong.any():
        row = int(wrong.argmax())
        batch.fail(row, column, f"{shown(texts[row].as_py())} is no date; write YYYY-MM-DD")
    return _taken([*days, ""], found)


def index_in(texts: pa.Array, values: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the index of each text in `values`, int64 [rows]; -1 for another text and for a missing value."""
    found = pc.index_in(texts, value_set=pa.array(values, pa.string()), skip_nulls=True)
    indices: NDArray[np.int64] = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return indices


def _missing(batch: SourceBatch, column: str, array: pa.Array, *, required: bool) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = array.is_null().to_numpy(zero_copy_only=False)
    if required:
        _require(batch, column, missing)
    return missing


def _require(batch: SourceBatch, column: str, missing: NDArray[np.bool_]) -> None:
    if missing.any():
        batch.fail(int(missing.argmax()), column, "the value is missing")


def _taken(texts: list[Any], indices: NDArray[Any]) -> NDArray[Any]:
    """Return the text of each index, object [rows]; -1 is the last."""
    taken: NDArray[Any] = np.array(texts, dtype=object)[indices]
    return taken


def shown(value: object) -> str:
    """Return a value for a message of one line."""
    text = str(value).encode("unicode_escape").decode() if not str(value).isprintable() else str(value)
    return f"'{text if len(text) <= 60 else text[:60] + '…'}'"
