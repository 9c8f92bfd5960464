"""Divide test texts into slices by their length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUARTILES = (0.25, 0.5, 0.75)


def length_slices(texts: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the quarters of the texts by number of words: name, and which rows belong to it, bool [N].

    Words are separated by white space. Texts of equal length are in the same slice, so that there may be fewer than
    four.
    """
    lengths = np.array([len(text.split()) for text in texts])
    quarters = np.searchsorted(np.quantile(lengths, QUARTILES), lengths)
    for quarter in np.unique(quarters):
        rows = quarters == quarter
        yield f"{lengths[rows].min()} to {lengths[rows].max()} words", rows
