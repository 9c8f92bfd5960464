"""Whole batches sliced out of memory.

A row-by-row dataset with a collating loader costs more than a small network's own step;
one fancy index per batch costs next to nothing, and memory-mapped arrays are read only where they are used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from penstock.data.processed import Split

Batch = tuple[Tensor, Tensor]


class EpochOrder:
    """The order of rows in an epoch: a pure function of seed and epoch, so that a resumed run sees the same one.

    Lightning calls `set_epoch` on the `sampler` of whatever it iterates over.
    """

    def __init__(self, rows: int, seed: int) -> None:
        self.rows = rows
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def indexes(self) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)


class Batches:
    """Batches of (inputs [N, *shape], labels int64 [N]); the last one may be smaller.

    Args:
        split: the rows to serve.
        batch_size: N.
        sampler: the order of each epoch; None serves the rows as they lie.
    """

    # Lightning looks for both of a DataLoader's names.
    batch_sampler = None

    def __init__(self, split: Split, batch_size: int, sampler: EpochOrder | None = None) -> None:
        self.split = split
        self.batch_size = batch_size
        self.sampler = sampler

    def __len__(self) -> int:
        return math.ceil(len(self.split) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = self.sampler.indexes() if self.sampler else np.arange(len(self.split))
        for start in range(0, len(order), self.batch_size):
            batch = self.split[order[start : start + self.batch_size]]
            yield torch.from_numpy(batch.inputs), torch.from_numpy(batch.labels)
