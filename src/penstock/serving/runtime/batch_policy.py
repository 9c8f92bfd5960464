"""How a model is run: batch size, and on which thread."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BatchPolicy:
    """Limits for the runs of one model."""

    max_batch_size: int
    """Rows per run."""
    max_inline_rows: int
    """Up to so many rows run on the event loop itself; 0 if even one row takes too long."""
    seconds_per_row: float
    """Time per row in a run of `max_batch_size` rows."""


# For a model that has not been tuned.
UNTUNED = BatchPolicy(max_batch_size=1, max_inline_rows=0, seconds_per_row=0.001)
