"""Means over an epoch, as a torchmetrics `Metric` that Lightning logs, synchronises and resets."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class EpochMean(Metric):
    """The mean of a value over all rows of an epoch and of all processes.

    The sums are float64, so that the result does not depend on how the rows are divided into batches and processes.
    """

    total: Tensor
    rows: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Apple's GPUs have no float64.
        exact = torch.float32 if torch.backends.mps.is_available() else torch.float64
        self.add_state("total", torch.zeros((), dtype=exact), dist_reduce_fx="sum")
        self.add_state("rows", torch.zeros((), dtype=exact), dist_reduce_fx="sum")

    def update(self, mean: Tensor, rows: int) -> None:
        """Add the mean over `rows` rows, a scalar."""
        self.total += mean.detach() * rows
        self.rows += rows

    def compute(self) -> Tensor:
        """The mean over all rows, a scalar."""
        return self.total / self.rows

    def sums(self) -> Tensor:
        """The state of this process, [total, rows], for a checkpoint."""
        return torch.stack([self.total, self.rows])

    def load_sums(self, sums: Tensor) -> None:
        """Continue from what `sums` gave."""
        self.total, self.rows = sums.to(self.device).unbind()
        self._update_count = 1
