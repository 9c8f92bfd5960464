"""Every row once per epoch, in an order that seed and epoch alone decide."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from penstock.data.datamodule import BatchDataset, EpochSampler, ResumableDataLoader, ShardedBatchSampler
from penstock.io.processed_dataset import ArraySplit


def split_of(rows):
    return ArraySplit(inputs=np.arange(rows, dtype=np.float32)[:, None], labels=np.arange(rows))


def loader(split, batch_size, sampler=None, device=None):
    return ResumableDataLoader(BatchDataset(split, device), ShardedBatchSampler(len(split), batch_size, sampler))


@given(rows=st.integers(1, 200), batch_size=st.integers(1, 64), seed=st.integers(0, 99), epoch=st.integers(0, 99))
def test_an_epoch_has_every_row_once_with_its_own_label(rows, batch_size, seed, epoch):
    order = EpochSampler(rows, seed)
    order.set_epoch(epoch)
    batches = list(loader(split_of(rows), batch_size, order))
    labels = np.concatenate([labels.numpy() for _, labels, *_ in batches])
    assert sorted(labels) == list(range(rows))
    assert all((inputs[:, 0] == labels).all() for inputs, labels, *_ in batches)
    assert len(batches) == len(loader(split_of(rows), batch_size))


@given(rows=st.integers(1, 50), batch_size=st.integers(1, 20))
def test_rows_kept_on_a_device_are_the_same_rows(rows, batch_size):
    from_memory = loader(split_of(rows), batch_size, EpochSampler(rows, 0))
    from_device = loader(split_of(rows), batch_size, EpochSampler(rows, 0), device=torch.device("cpu"))
    for expected, batch in zip(from_memory, from_device, strict=True):
        assert torch.equal(batch.inputs, expected.inputs)
        assert torch.equal(batch.labels, expected.labels)
        assert batch[2:] == expected[2:]


def test_the_order_is_a_function_of_seed_and_epoch():
    def indexes(seed, epoch):
        order = EpochSampler(50, seed)
        order.set_epoch(epoch)
        return order.indexes().tolist()

    assert indexes(1, 3) == indexes(1, 3)
    assert indexes(1, 3) != indexes(1, 4)
    assert indexes(1, 3) != indexes(2, 3)


@given(rows=st.integers(1, 60), batch_size=st.integers(1, 20), processes=st.integers(1, 5))
def test_processes_share_every_batch_and_no_row_counts_twice(rows, batch_size, processes):
    """Also where a batch has fewer rows than there are processes; their means, weighed and averaged, are its mean."""
    alone = list(loader(split_of(rows), batch_size))
    parts = []
    for rank in range(processes):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("penstock.data.datamodule.rank_and_world_size", lambda rank=rank: (rank, processes))
            parts.append(list(loader(split_of(rows), batch_size)))
    for whole, *shared in zip(alone, *parts, strict=True):
        counted = [label for part in shared for label in part.labels[: part.rows].tolist()]
        assert sorted(counted) == whole.labels.tolist()
        means = [part.weighted(part.inputs.mean()) for part in shared]
        assert float(sum(means) / processes) == pytest.approx(float(whole.inputs.mean()), rel=1e-5)


def test_without_a_sampler_rows_come_as_they_lie():
    labels = [label for batch in loader(split_of(10), 4) for label in batch.labels.tolist()]
    assert labels == list(range(10))


def test_a_resumed_loader_yields_the_rest_of_the_epoch_and_then_a_whole_one():
    whole = [batch.labels.tolist() for batch in loader(split_of(10), 4)]
    first = loader(split_of(10), 4)
    batches = iter(first)
    next(batches)
    resumed = loader(split_of(10), 4)
    resumed.load_state_dict(first.state_dict())
    assert [batch.labels.tolist() for batch in resumed] == whole[1:]
    assert [batch.labels.tolist() for batch in resumed] == whole


def test_a_stock_loader_fetches_whole_batches_too():
    batches = list(DataLoader(BatchDataset(split_of(5)), batch_size=2, collate_fn=lambda batch: batch))
    assert [batch.labels.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]
