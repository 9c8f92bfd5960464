"""Test the data module: each epoch has every row once, in an order given by seed and epoch only."""

import json
import subprocess
import sys

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
def test_epoch_contains_every_row_once_with_its_label(rows, batch_size, seed, epoch):
    order = EpochSampler(rows, seed)
    order.set_epoch(epoch)
    batches = list(loader(split_of(rows), batch_size, order))
    labels = np.concatenate([labels.numpy() for _, labels, *_ in batches])
    assert sorted(labels) == list(range(rows))
    assert all((inputs[:, 0] == labels).all() for inputs, labels, *_ in batches)
    assert len(batches) == len(loader(split_of(rows), batch_size))


@given(rows=st.integers(1, 50), batch_size=st.integers(1, 20))
def test_rows_on_device_equal_rows_in_memory(rows, batch_size):
    from_memory = loader(split_of(rows), batch_size, EpochSampler(rows, 0))
    from_device = loader(split_of(rows), batch_size, EpochSampler(rows, 0), device=torch.device("cpu"))
    for expected, batch in zip(from_memory, from_device, strict=True):
        assert torch.equal(batch.inputs, expected.inputs)
        assert torch.equal(batch.labels, expected.labels)
        assert batch[2:] == expected[2:]


def test_order_depends_only_on_seed_and_epoch():
    def indexes(seed, epoch):
        order = EpochSampler(50, seed)
        order.set_epoch(epoch)
        return order.indexes().tolist()

    assert indexes(1, 3) == indexes(1, 3)
    assert indexes(1, 3) != indexes(1, 4)
    assert indexes(1, 3) != indexes(2, 3)


@given(rows=st.integers(1, 60), batch_size=st.integers(1, 20), processes=st.integers(1, 5))
def test_processes_share_each_batch_without_duplicate_rows(rows, batch_size, processes):
    """The average of the weighted means is the mean of the batch, even if it has fewer rows than processes."""
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


@given(rows=st.integers(1, 60), batch_size=st.integers(1, 20), min_rows=st.integers(0, 3), processes=st.integers(1, 3))
def test_only_a_last_batch_below_min_rows_is_merged_into_the_batch_before_it(rows, batch_size, min_rows, processes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penstock.data.datamodule.rank_and_world_size", lambda: (processes - 1, processes))
        merged = ShardedBatchSampler(rows, batch_size, min_rows=min_rows)
        shares, plain = list(merged), list(ShardedBatchSampler(rows, batch_size))
    *full, last = plain
    if full and rows % batch_size and rows % batch_size < min_rows * processes:
        numbers = np.arange((len(full) - 1) * batch_size, rows)[processes - 1 :: processes]
        assert shares[-1].numbers.tolist() == (numbers.tolist() or [(len(full) - 1) * batch_size])
        assert len(shares) == len(full)
    else:
        assert str(shares) == str(plain)
        assert shares[-1].numbers.tolist() == last.numbers.tolist()


def test_a_merged_last_batch_is_resumed_like_any_other():
    sampler = ShardedBatchSampler(9, 4, EpochSampler(9, 0), min_rows=2)
    whole = [batch.numbers.tolist() for batch in sampler]
    assert [len(numbers) for numbers in whole] == [4, 5]
    sampler.resume_after(1)
    assert [batch.numbers.tolist() for batch in sampler] == whole[1:]


def test_loader_without_sampler_keeps_the_order_of_the_split():
    labels = [label for batch in loader(split_of(10), 4) for label in batch.labels.tolist()]
    assert labels == list(range(10))


def test_resumed_loader_finishes_the_epoch_and_then_yields_a_full_one():
    whole = [batch.labels.tolist() for batch in loader(split_of(10), 4)]
    first = loader(split_of(10), 4)
    batches = iter(first)
    next(batches)
    resumed = loader(split_of(10), 4)
    resumed.load_state_dict(first.state_dict())
    assert [batch.labels.tolist() for batch in resumed] == whole[1:]
    assert [batch.labels.tolist() for batch in resumed] == whole


def test_stock_data_loader_fetches_whole_batches():
    batches = list(DataLoader(BatchDataset(split_of(5)), batch_size=2, collate_fn=lambda batch: batch))
    assert [batch.labels.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]


TWO_PROCESSES = """
import json
import sys
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import LightningModule, Trainer

from penstock.data.datamodule import ArrayDataModule
from penstock.io.processed_dataset import ArraySplit


class Recorder(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.labels = []

    def training_step(self, batch):
        self.labels.append(batch.labels.tolist())
        return batch.weighted(self.layer(batch.inputs).mean())

    def validation_step(self, batch):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


if __name__ == "__main__":
    rows = ArraySplit(inputs=np.arange(10, dtype=np.float32)[:, None], labels=np.arange(10))
    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, use_distributed_sampler=False, **silent
    )
    module = Recorder()
    trainer.fit(module, ArrayDataModule(train=rows, validation=rows, batch_size=4, seed=1))
    Path(sys.argv[1], f"{trainer.global_rank}.json").write_text(json.dumps(module.labels))
"""


@pytest.mark.integration
def test_stock_trainer_shards_each_batch_over_two_processes(tmp_path):
    script = tmp_path / "two_processes.py"
    script.write_text(TWO_PROCESSES)
    done = subprocess.run(
        [sys.executable, script, tmp_path], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    expected = []
    for epoch in range(2):
        order = EpochSampler(10, seed=1)
        order.set_epoch(epoch)
        expected += [batch.labels.tolist() for batch in loader(split_of(10), 4, order)]
    assert first == [labels[0::2] for labels in expected]
    assert second == [labels[1::2] for labels in expected]
