"""Load processed splits with a `LightningDataModule` that fetches whole batches.

For a small network, reading and collating single rows takes longer than the training step. Here, one fancy index into
the arrays gives a batch (`BatchDataset.__getitems__`), without collation. The rows stay in GPU memory if they fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset, Sampler

from penstock.io.processed_dataset import ArraySplit

EVALUATION_BATCH = 512


class Batch(NamedTuple):
    """Share of a batch that one process receives."""

    inputs: Tensor
    """[N, *shape], in the dtype of the dataset."""
    labels: Tensor
    """int64 [N]; several labels or numbers: float32 [N, labels]."""
    rows: int
    """Number of valid rows: N, or 0 if the batch has fewer rows than processes."""
    loss_weight: float
    """Weight of this process's mean in the mean over all processes; 1 if all have the same number of rows."""

    def weighted(self, mean: Tensor) -> Tensor:
        """Scale a mean over the N rows, so that its average over all processes is the mean of the batch."""
        return mean if self.loss_weight == 1 else mean * self.loss_weight


class BatchIndex(NamedTuple):
    """Row numbers of one process's share of a batch."""

    numbers: NDArray[np.int64]
    """int64 [N], row numbers in the split."""
    rows: int
    """As in `Batch`."""
    loss_weight: float
    """As in `Batch`."""


class BatchDataset(Dataset[Batch]):
    """Dataset of a split that fetches one batch at a time.

    Args:
        split: The rows.
        device: Device that holds a copy of all rows. None reads the rows from `split`.
    """

    def __init__(self, split: ArraySplit, device: torch.device | None = None) -> None:
        self.split = split
        self._resident = None if device is None else _copy_to(split, device)

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, row: int) -> Batch:
        return self.__getitems__([row])

    def __getitems__(self, rows: BatchIndex | Sequence[int]) -> Batch:
        """Fetch the rows of a `BatchIndex`, or of a list of row numbers from a stock batch sampler."""
        batch = rows if isinstance(rows, BatchIndex) else BatchIndex(np.asarray(rows), len(rows), 1.0)
        return Batch(*self._fetch(batch.numbers), batch.rows, batch.loss_weight)

    def _fetch(self, numbers: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        if self._resident is None:
            part = self.split[numbers]
            return torch.from_numpy(part.inputs), torch.from_numpy(part.labels)
        inputs, labels = self._resident
        on_device = torch.from_numpy(numbers).to(labels.device, non_blocking=True)
        return inputs[on_device], labels[on_device]


class EpochSampler(Sampler[int]):
    """Sampler that shuffles the rows by (seed, epoch) only, so that a resumed epoch has the same order.

    Lightning calls `set_epoch` before each epoch.

    Args:
        rows: Number of rows in the split.
        seed: Seed of all permutations.
    """

    def __init__(self, rows: int, seed: int) -> None:
        self.rows = rows
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[int]:
        return iter(self.indexes().tolist())

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def indexes(self) -> NDArray[np.int64]:
        """Return the row order of this epoch, int64 [rows]."""
        return np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)


class ShardedBatchSampler(Sampler[BatchIndex]):
    """Batch sampler that shards each batch over all processes. No row occurs twice.

    Args:
        rows: Number of rows in the split.
        batch_size: Global batch size, in rows. The last batch can be smaller.
        sampler: Order of each epoch. None keeps the order of the split.
        min_rows: Fewest rows of a process in a batch. A last batch with fewer is merged into the batch before it, so
            that no row is lost. 0 never merges.
    """

    def __init__(self, rows: int, batch_size: int, sampler: EpochSampler | None = None, min_rows: int = 0) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.sampler = sampler
        self.min_rows = min_rows
        self.served = 0
        self._start = 0

    def __len__(self) -> int:
        batches, rest = math.ceil(self.rows / self.batch_size), self.rows % self.batch_size
        _, processes = rank_and_world_size()
        return batches - 1 if batches > 1 and 0 < rest < self.min_rows * processes else batches

    def __iter__(self) -> Iterator[BatchIndex]:
        order = self.sampler.indexes() if self.sampler else np.arange(self.rows)
        start, self._start = self._start, 0
        batches = len(self)
        for number in range(start, batches):
            self.served = number + 1
            end = (number + 1) * self.batch_size if self.served < batches else self.rows
            yield _share_of_rank(order[number * self.batch_size : end])

    def resume_after(self, batches: int) -> None:
        """Skip the first `batches` batches of the next epoch."""
        self._start = batches


def _share_of_rank(rows: NDArray[np.int64]) -> BatchIndex:
    rank, world_size = rank_and_world_size()
    mine = rows[rank::world_size]
    # A process without rows gets one row: the other processes wait for its gradient.
    return BatchIndex(mine if len(mine) else rows[:1], len(mine), len(mine) * world_size / len(rows))


class ResumableDataLoader(DataLoader[Batch]):
    """`DataLoader` that resumes within an epoch. Lightning saves and restores its state.

    Args:
        dataset: The rows.
        batch_sampler: The order of the rows.
    """

    def __init__(self, dataset: BatchDataset, batch_sampler: ShardedBatchSampler) -> None:
        super().__init__(
            dataset,
            batch_sampler=batch_sampler,  # type: ignore[arg-type]  # a BatchIndex in place of a list
            collate_fn=_already_a_batch,  # type: ignore[arg-type]
            generator=torch.Generator(),  # otherwise each epoch draws a seed from the global RNG
        )
        self._batches = batch_sampler

    @property
    def batches_served(self) -> int:
        """Number of batches of this epoch that were fetched."""
        return self._batches.served

    def state_dict(self) -> dict[str, Any]:
        return {"batches_served": self._batches.served}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._batches.resume_after(state["batches_served"])


def _already_a_batch(batch: Batch) -> Batch:
    return batch


class ArrayDataModule(LightningDataModule):
    """Data module of the training and validation rows of one dataset.

    Args:
        validation: Rows for validation in `Trainer.fit` and `Trainer.validate`.
        train: Training rows. None gives a data module for evaluation only.
        batch_size: Global training batch size, in rows over all processes.
        seed: Seed of the order of the training rows.
        min_rows: Fewest training rows of a process in a batch, as in `ShardedBatchSampler`.
    """

    def __init__(
        self,
        *,
        validation: ArraySplit,
        train: ArraySplit | None = None,
        batch_size: int = 1,
        seed: int = 0,
        min_rows: int = 0,
    ) -> None:
        super().__init__()
        self.train = train
        self.validation = validation
        self.batch_size = batch_size
        self.seed = seed
        self.min_rows = min_rows
        self._device: torch.device | None = None

    def setup(self, stage: str) -> None:
        """Select the device that holds the rows. The trainer knows its device only at this point."""
        splits = [split for split in (self.train, self.validation) if split is not None]
        self._device = _device_with_room(self.trainer.strategy.root_device, splits) if self.trainer else None

    def train_dataloader(self) -> ResumableDataLoader:
        assert self.train is not None, "this data module only evaluates"
        # `overfit_batches` needs the same rows in every epoch. Lightning replaces a stock shuffling sampler likewise.
        overfits = getattr(self.trainer, "overfit_batches", 0) > 0  # missing in Lightning's types
        sampler = None if overfits else EpochSampler(len(self.train), self.seed)
        return self._loader(self.train, self._train_sampler(sampler))

    def val_dataloader(self) -> ResumableDataLoader:
        return self._loader(self.validation, ShardedBatchSampler(len(self.validation), EVALUATION_BATCH))

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move the two tensors. This is faster than Lightning's search of every field."""
        if device.type == "cpu":
            return batch
        return batch._replace(
            inputs=batch.inputs.to(device, non_blocking=True), labels=batch.labels.to(device, non_blocking=True)
        )

    @property
    def train_batches(self) -> int:
        """Number of batches in one training epoch."""
        return len(self._train_sampler())

    def _train_sampler(self, order: EpochSampler | None = None) -> ShardedBatchSampler:
        return ShardedBatchSampler(len(self.train or ()), self.batch_size, order, self.min_rows)

    def _loader(self, split: ArraySplit, sampler: ShardedBatchSampler) -> ResumableDataLoader:
        return ResumableDataLoader(BatchDataset(split, self._device), sampler)


def _device_with_room(device: torch.device, splits: Sequence[ArraySplit]) -> torch.device | None:
    """Return `device` if it is a GPU and the rows take at most half of its free memory, else None."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    needed = sum(split.inputs.nbytes + split.labels.nbytes for split in splits)
    return device if needed <= free / 2 else None


def _copy_to(split: ArraySplit, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(split.inputs).to(device), torch.from_numpy(split.labels).to(device)


def rank_and_world_size() -> tuple[int, int]:
    """Return the rank of this process and the number of processes."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
