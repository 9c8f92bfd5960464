"""Convert texts, such as the cells of a CSV file, to the values of a model's columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import isinf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.io.cell_texts import FALSE, TRUE, day_of
from penstock.serving.codecs.json import array_from_rows, array_from_values
from penstock.serving.codecs.tensors import DTYPES, TensorSpec
from penstock.serving.errors import InputError, RequestError
from penstock.serving.runtime.columns import Column
from penstock.serving.runtime.model import ServedModel

# What stands for a missing value; in a column of free text, only an empty cell does.
MISSING = frozenset(["", "na", "n/a", "nan", "null", "none", "?"])
BOOLEANS = dict.fromkeys(TRUE, True) | dict.fromkeys(FALSE, False)


class CellError(Exception):
    """A text is not a value of its column.

    Args:
        row: Position of the text.
        column: Name of the column.
        reason: What is wrong.
    """

    def __init__(self, row: int, column: str, reason: str) -> None:
        super().__init__(f"column '{column}': {reason}")
        self.row = row


def arrays_of(model: ServedModel, cells: Sequence[Sequence[str] | None], rows: int, folder: Path) -> dict[str, Any]:
    """Convert the cells of rows to the inputs of a model.

    Args:
        model: The model.
        cells: The texts of each of its columns; None for a column that is not given.
        rows: Number of rows.
        folder: The folder that paths of images are relative to.

    Returns:
        Array [rows, ...] for each input.

    Raises:
        CellError: A text is not a value of its column.
    """
    inputs: dict[str, list[NDArray[Any]]] = {spec.name: [] for spec in model.inputs}
    for column, texts in zip(model.columns, cells, strict=True):
        inputs[column.input].append(_array(model, column, texts or [""] * rows, folder))
    return {
        spec.name: _joined(inputs[spec.name], spec, rows, is_split=model.columns[0].place is not None)
        for spec in model.inputs
    }


def _joined(arrays: list[NDArray[Any]], spec: TensorSpec, rows: int, *, is_split: bool) -> NDArray[Any]:
    """Join the columns of an input."""
    if is_split:
        return np.stack(arrays, axis=1)
    sizes = arrays[0].shape[1:] if -1 in spec.shape[1:] else spec.shape[1:]
    return arrays[0].reshape(rows, *sizes) if spec.shape else arrays[0].reshape(())


def _array(model: ServedModel, column: Column, texts: Sequence[str], folder: Path) -> NDArray[Any]:
    if column.kind == "image":
        return _each(column, texts, lambda text: _image(folder / text, model.specs[column.input]))
    if column.kind == "tensor":
        return _each(column, texts, lambda text: _tensor(text, model.specs[column.input]))
    if column.datatype == "BYTES":
        convert = _text_reader(column)
        return np.array([convert(text, row) for row, text in enumerate(texts)], dtype=object)
    return _numbers(column, texts)


def _text_reader(column: Column) -> Callable[[str, int], str]:
    """Return the function from a cell to the text that the model takes, read as preprocessing reads a file."""
    has_days = column.kind == "date" and (column.example is None or day_of(column.example) == column.example)
    if not (column.is_boolean or has_days or column.categories):
        gap: str = "" if column.missing is None else column.missing
        return lambda text, _: text or gap

    def convert(text: str, row: int) -> str:
        word = text.strip().lower()
        if word in MISSING and text not in column.categories:
            return str(_missing(column, row))
        if column.is_boolean:
            return str(_boolean(column, word, text, row)).lower()
        if not has_days:
            return text
        if (day := day_of(text.strip())) is None:
            raise CellError(row, column.name, f"{text!r} is no date; write YYYY-MM-DD")
        return day

    return convert


def _missing(column: Column, row: int) -> Any:  # noqa: ANN401  (of the type of the column)
    if column.missing is None:
        raise CellError(row, column.name, "a value is missing, and the model does not define what that means")
    return column.missing


def _boolean(column: Column, word: str, text: str, row: int) -> bool:
    if word not in BOOLEANS:
        raise CellError(row, column.name, f"{text!r} is not true or false")
    return BOOLEANS[word]


def _numbers(column: Column, texts: Sequence[str]) -> NDArray[Any]:
    """Convert numbers and booleans; plain numbers take a fast path."""
    if column.datatype == "FP32":
        try:
            numbers = np.array(list(map(float, texts)), np.float64)
        except ValueError:
            pass
        else:
            if np.abs(numbers).max() < np.finfo(np.float32).max and "_" not in "".join(texts):
                return numbers.astype(np.float32)
    values = [_value(column, text, row) for row, text in enumerate(texts)]
    return np.array(values, DTYPES[column.datatype])


def _value(column: Column, text: str, row: int) -> Any:  # noqa: ANN401  (of the type of the column)
    word = text.strip().lower()
    if word in MISSING:
        return _missing(column, row)
    if column.datatype == "BOOL":
        return _boolean(column, word, text, row)
    try:
        value = _parsed(column.datatype, word)
        return array_from_values([value], TensorSpec(column.name, column.datatype, (-1,)))[0]
    except InputError:
        raise CellError(row, column.name, f"{text!r} is too large for {column.datatype}") from None
    except ValueError:
        raise CellError(row, column.name, f"{text!r} is not {_noun(column.datatype)}{_hint(word)}") from None


def _parsed(datatype: str, word: str) -> int | float:
    if "_" in word:
        raise ValueError
    number = float(word)
    if isinf(number) and "inf" in word:
        raise ValueError
    if datatype.startswith("FP"):
        return number
    if not isinf(number) and number != int(number):
        raise ValueError
    try:
        return int(word)
    except ValueError:  # such as 3.0
        return int(number) if not isinf(number) else 2**64


def _noun(datatype: str) -> str:
    return "a number" if datatype.startswith("FP") else "an integer"


def _hint(word: str) -> str:
    """Return what to do about a decimal comma."""
    point = word.replace(",", ".")
    is_decimal = word.count(",") == 1 and "." not in word and point.replace(".", "").lstrip("+-").isdecimal()
    return f"; write it with a point, {point}" if is_decimal else ""


def _each(column: Column, texts: Sequence[str], convert: Callable[[str], NDArray[Any]]) -> NDArray[Any]:
    arrays = []
    for row, text in enumerate(texts):
        try:
            arrays.append(convert(text))
            if arrays[0].shape != arrays[-1].shape:
                raise InputError(f"it has the size {list(arrays[-1].shape)}, and a row before {list(arrays[0].shape)}")
        except RequestError as error:
            raise CellError(row, column.name, str(error)) from None
    return np.stack(arrays)


def _tensor(text: str, spec: TensorSpec) -> NDArray[Any]:
    try:
        value = json.loads(text)
    except ValueError:
        raise InputError(f"expected a list in JSON, {spec.datatype} of shape {list(spec.shape[1:])}") from None
    if spec.shape[:1] != (-1,):
        raise InputError(f"{spec.expected}, which is no row; use /v2")
    row: NDArray[Any] = array_from_rows([value], spec)[0]
    return row


def _image(path: Path, spec: TensorSpec) -> NDArray[np.uint8]:
    from penstock.serving.codecs.images import decode_image

    _, height, width, *channels = spec.shape
    try:
        return decode_image(path.read_bytes(), (width, height), rgb=bool(channels))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except RequestError as error:
        raise InputError(f"{path}: {error}") from None
