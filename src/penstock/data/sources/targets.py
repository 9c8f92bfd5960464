"""Labels of raw rows, by `datasets.<name>.target`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.targets import ClassTargetConfig, LabelsTargetConfig, NumberTargetConfig
from penstock.core.errors import nearest
from penstock.data.sources.batch import SourceBatch
from penstock.data.sources.values import booleans, numbers


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
    index = {value: number for number, value in enumerate(values)}
    texts = batch.texts(target.column)
    found = np.array([index.get(text, -1) for text in texts], dtype=np.int64)
    for row in np.flatnonzero(found < 0).tolist():
        text = texts[row]
        if text is None:
            batch.fail(row, target.column, "the label is missing")
        batch.fail(row, target.column, f"'{text}' is no class of `target`{nearest(text, values)}")
    return found


def _labels(target: LabelsTargetConfig, batch: SourceBatch) -> NDArray[np.float32]:
    if target.separator is None:
        columns = [booleans(batch, name, required=True) for name in target.columns]
        return np.stack(columns, axis=1)
    column, names = target.columns[0], target.names
    index = {name: number for number, name in enumerate(names)}
    found = np.zeros((len(batch), len(names)), dtype=np.float32)
    for row, text in enumerate(batch.texts(column)):
        for label in filter(None, (part.strip() for part in (text or "").split(target.separator))):
            if label not in index:
                batch.fail(row, column, f"'{label}' is no label of `target`{nearest(label, names)}")
            found[row, index[label]] = 1
    return found
