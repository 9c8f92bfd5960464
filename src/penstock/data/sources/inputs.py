"""Raw inputs of rows, by `datasets.<name>.inputs`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.config.columns import ColumnConfig
from penstock.config.data import ColumnsConfig, ImageConfig, InputsConfig, TableConfig, TextConfig
from penstock.data.sources.batch import SourceBatch
from penstock.data.sources.images import images
from penstock.data.sources.values import booleans, categories, dates, numbers


def raw_inputs(inputs: InputsConfig, batch: SourceBatch, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """Return the inputs of a batch, as `RawSplit.inputs` describes them.

    Args:
        inputs: `datasets.<name>.inputs`.
        batch: The rows.
        shape: Shape of one image of earlier batches; None for the first batch.

    Raises:
        DataFileError: A value is not of the declared kind.
    """
    match inputs:
        case TableConfig():
            return np.stack([numbers(batch, name, required=True) for name in inputs.columns], axis=1)
        case ColumnsConfig():
            return _mixed(inputs, batch)
        case ImageConfig():
            found = batch.column(inputs.column)
            return found if isinstance(found, np.ndarray) else images(inputs, batch, shape)
        case TextConfig():
            return _texts(batch, inputs.column)


def _mixed(inputs: ColumnsConfig, batch: SourceBatch) -> NDArray[Any]:
    columns = {name: _column(batch, name, column) for name, column in inputs.columns.items()}
    rows = np.empty(len(batch), dtype=[(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        rows[name] = values
    return rows


def _column(batch: SourceBatch, name: str, column: ColumnConfig) -> NDArray[Any]:
    match column.kind:
        case "number":
            return numbers(batch, name, required=column.required)
        case "boolean":
            found = booleans(batch, name, required=column.required)
            return np.where(np.isnan(found), "", np.where(found == 1, "true", "false")).astype(object)
        case "date":
            return dates(batch, name, required=column.required)
        case "category":
            return categories(batch, name, column.values, required=column.required)


def _texts(batch: SourceBatch, column: str) -> NDArray[Any]:
    array = batch.arrow(column)
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        texts = np.array([_decoded(batch, row, column, value.as_py()) for row, value in enumerate(array)], dtype=object)
    else:
        texts = batch.texts(column)
    for row, text in enumerate(texts):
        if not text or text.isspace():
            batch.fail(row, column, "the text is empty")
    return texts


def _decoded(batch: SourceBatch, row: int, column: str, content: bytes | None) -> str:
    try:
        return (content or b"").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        batch.fail(row, column, f"byte 0x{content[error.start]:02x} at {error.start} is not utf-8")  # type: ignore[index]
