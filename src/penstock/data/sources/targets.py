"""Labels of raw rows, by `datasets.<name>.target`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.config.targets import ClassTargetConfig, LabelsTargetConfig, NumberTargetConfig
from penstock.core.errors import nearest
from penstock.data.sources.batch import SourceBatch
from penstock.data.sources.values import booleans, index_in, numbers, shown


def labels_of(target: ClassTargetConfig | LabelsTargetConfig | NumberTargetConfig, batch: SourceBatch) -> NDArray[Any]:
    """Return the labels of a batch, as `RawSplit.labels` describes them.

    Raises:
        DataFileError: A label is missing or none of those declared.
    """
    match target:
        case ClassTargetConfig():
            return _classes(target, batch)
        case LabelsTargetConfig():
            return _labels(target, batch)
        case NumberTargetConfig():
            columns = [numbers(batch, name, required=True) for name in target.columns]
            return np.stack(columns, axis=1)


def _classes(target: ClassTargetConfig, batch: SourceBatch) -> NDArray[np.int64]:
    values = target.values or target.classes
    texts = batch.arrow_texts(target.column)
    found = index_in(texts, values)
    if (found < 0).any():
        row = int((found < 0).argmax())
        text = texts[row].as_py()
        if not text:
            batch.fail(row, target.column, "the label is missing")
        batch.fail(row, target.column, f"{shown(text)} is no class of `target`{nearest(text, values)}")
    return found


def _labels(target: LabelsTargetConfig, batch: SourceBatch) -> NDArray[np.float32]:
    if target.separator is None:
        columns = [booleans(batch, name, required=True) for name in target.columns]
        return np.stack(columns, axis=1)
    column, names = target.columns[0], target.names
    lists = pc.split_pattern(pc.fill_null(batch.arrow_texts(column), ""), target.separator)
    labels = pc.utf8_trim_whitespace(lists.flatten())
    rows = pc.list_parent_indices(lists).to_numpy()
    label_numbers = index_in(labels, names)
    unknown = (label_numbers < 0) & pc.not_equal(labels, "").to_numpy(zero_copy_only=False)
    if unknown.any():
        first = int(unknown.argmax())
        text = labels[first].as_py()
        batch.fail(int(rows[first]), column, f"{shown(text)} is no label of `target`{nearest(text, names)}")
    found = np.zeros((len(batch), len(names)), dtype=np.float32)
    known = label_numbers >= 0
    found[rows[known], label_numbers[known]] = 1
    return found
