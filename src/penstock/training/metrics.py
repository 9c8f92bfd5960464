"""Means over an epoch, as a torchmetrics `Metric` that Lightning logs, synchronises and resets."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric

# Computes the value of an epoch, a scalar, from the mean over its rows.
Summarize = Callable[[Tensor], Tensor]


def same(mean: Tensor) -> Tensor:
    """Return the mean: the value of an epoch is the mean itself."""
    return mean


class EpochMean(Metric):
    """The mean of a value over all rows of an epoch and of all processes.

    The sums are float64, so that the result does not depend on how the rows are divided into batches and processes.

    Args:
        shape: Shape of the value; a scalar by default.
        summarize: Computes the scalar that is logged from the mean over all rows. R^2, for example, is not a mean over
            rows, but it follows from means of squares.
    """

    total: Tensor
    rows: Tensor

    def __init__(self, shape: tuple[int, ...] = (), summarize: Summarize = same) -> None:
        super().__init__()
        self.summarize = summarize
        # Apple's GPUs have no float64.
        exact = torch.float32 if torch.backends.mps.is_available() else torch.float64
        self.add_state("total", torch.zeros(shape, dtype=exact), dist_reduce_fx="sum")
        self.add_state("rows", torch.zeros((), dtype=exact), dist_reduce_fx="sum")

    def update(self, mean: Tensor, rows: int) -> None:
        """Add the mean over `rows` rows, of the shape of the value."""
        self.total += mean.detach() * rows
        self.rows += rows

    def compute(self) -> Tensor:
        """The value of the epoch, a scalar."""
        return self.summarize(self.total / self.rows)

    def sums(self) -> Tensor:
        """The state of this process, [2, *shape] of total and rows, for a checkpoint."""
        return torch.stack([self.total, self.rows.expand_as(self.total)])

    def load_sums(self, sums: Tensor) -> None:
        """Continue from what `sums` gave."""
        self.total, rows = sums.to(self.device).unbind()
        self.rows = rows.flatten()[0]
        self._update_count = 1
