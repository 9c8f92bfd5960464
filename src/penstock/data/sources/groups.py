"""Groups or times of raw rows, by `datasets.<name>.split`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import SplitConfig
from penstock.data.sources.batch import SourceBatch


def groups_of(split: SplitConfig, batch: SourceBatch) -> NDArray[Any] | None:
    """Return the groups or times of a batch, as `RawSplit.groups` describes them.

    Raises:
        DataFileError: A time is missing, or neither a number nor a date.
    """
    if split.group is not None:
        return batch.texts(split.group)
    if split.time is not None:
        return _times(batch, split.time)
    return None


def _times(batch: SourceBatch, column: str) -> NDArray[Any]:
    """Return times as numbers if the first one is a number, as dates otherwise."""
    texts = batch.texts(column)
    convert, kind = (float, "number") if _is_number(texts[0]) else (_moment, "date")
    found = []
    for row, text in enumerate(texts):
        if text is None:
            batch.fail(row, column, "the time is missing")
        try:
            found.append(convert(text))
        except ValueError:
            batch.fail(row, column, f"'{text}' is no {kind}; rows are ordered by numbers, or by dates as YYYY-MM-DD")
        if found[-1] != found[-1]:
            batch.fail(row, column, f"'{text}' is no time")
    return np.array(found, dtype=np.float64 if kind == "number" else "datetime64[us]")


def _is_number(text: str | None) -> bool:
    try:
        float(text or "")
    except ValueError:
        return False
    return True


def _moment(text: str) -> datetime:
    """Convert an ISO date, with or without a time of the day; without a time zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
