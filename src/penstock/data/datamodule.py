"""Whole batches sliced out of memory.

A row-by-row dataset with a collating loader costs more than a small network's own step;
one fancy index per batch costs next to nothing, and memory-mapped arrays are read only where they are used.
A GPU has the rows in its own memory where they fit, so that no step waits for any.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed

from penstock.io.processed_dataset import ArraySplit


class Batch(NamedTuple):
    """What one process sees of a batch.

    inputs: [N, *shape]
    labels: int64 [N]
    rows: how many of them count: N, or 0 where there are fewer rows than processes and this one was lent another's.
    share: what a mean over the N counts for in the mean of the processes' means: 1 where all have as many rows.
    """

    inputs: Tensor
    labels: Tensor
    rows: int
    share: float

    def weighted(self, mean: Tensor) -> Tensor:
        """A mean over the N, to be averaged with those of the other processes."""
        return mean if self.share == 1 else mean * self.share


class EpochSampler:
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
    """Batches of a split; the last one may be smaller. Where several processes train together, each gets its part of
    every batch, and no row twice.

    Args:
        split: the rows to serve.
        batch_size: rows of a batch, of all processes together.
        sampler: the order of each epoch; None serves the rows as they lie.
        device: keeps a copy of all rows there, and serves them there; None serves them from where they are.

    Attributes:
        served: how many batches of this epoch have been taken.
    """

    # Lightning looks for both of a DataLoader's names.
    batch_sampler = None

    def __init__(
        self,
        split: ArraySplit,
        batch_size: int,
        sampler: EpochSampler | None = None,
        *,
        device: torch.device | None = None,
    ) -> None:
        self.split = split
        self.batch_size = batch_size
        self.sampler = sampler
        self._resident = None if device is None else _on_device(split, device)
        self.served = 0
        self._begin_at = 0

    def __len__(self) -> int:
        return math.ceil(len(self.split) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = self.sampler.indexes() if self.sampler else np.arange(len(self.split))
        begin_at, self._begin_at = self._begin_at, 0
        for number in range(begin_at, len(self)):
            self.served = number + 1
            yield self._part_of(order[number * self.batch_size : (number + 1) * self.batch_size])

    def _part_of(self, rows: NDArray[np.int64]) -> Batch:
        rank, processes = rank_and_world_size()
        mine = rows[rank::processes]
        # The other processes wait for this one's gradient, also where it has no row to take it from.
        inputs, labels = self._taken(mine if len(mine) else rows[:1])
        return Batch(inputs, labels, len(mine), len(mine) * processes / len(rows))

    def _taken(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        if self._resident is None:
            part = self.split[rows]
            return torch.from_numpy(part.inputs), torch.from_numpy(part.labels)
        inputs, labels = self._resident
        index = torch.from_numpy(rows).to(labels.device, non_blocking=True)
        return inputs[index], labels[index]

    def state_dict(self) -> dict[str, Any]:
        """Where in the epoch it is, for a checkpoint."""
        return {"served": self.served}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The next epoch to be served is the rest of the one that `state` was taken in."""
        self._begin_at = state["served"]


def _on_device(split: ArraySplit, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(split.inputs).to(device), torch.from_numpy(split.labels).to(device)


def rank_and_world_size() -> tuple[int, int]:
    """The rank of this process, and how many there are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
