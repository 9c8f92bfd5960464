"""Stock callbacks, loggers and Trainer options work as Lightning documents them."""

import functools
import math
import operator
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
)
from pytorch_lightning.loggers import CSVLogger
from torch.optim.optimizer import register_optimizer_step_post_hook

from penstock.config.training import AdamConfig, ConstantScheduleConfig, OneCycleScheduleConfig
from penstock.data.datamodule import BatchDataset
from penstock.tasks.build import build_module
from penstock.training.checkpoint_files import NEW, StreamingCheckpointIO
from penstock.training.fit import FitResult, TrainingSetup, fit
from tests.models.documented import DATA
from tests.training.golden import ROWS, rows_of

EPOCHS, BATCHES = 3, 4
STEPS = EPOCHS * BATCHES


class Watch(Callback):
    """Record the optimizer steps, the rows of each training batch and the number of validation batches."""

    fitted: FitResult

    def __init__(self):
        self.steps = 0
        self.validation_batches = 0
        self.rows = []
        self.rates = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.rows.append(batch.inputs.flatten(1).sum(dim=1).tolist())

    def on_validation_batch_end(self, trainer, *_):
        self.validation_batches += not trainer.sanity_checking

    def count_step(self, *_):
        self.steps += 1

    def on_train_end(self, trainer, pl_module):
        self.trainer = trainer
        self.last_weights = {name: weight.clone() for name, weight in pl_module.state_dict().items()}


@pytest.fixture
def train(config):
    """Train a model for three epochs of four batches, with stock callbacks and changed Trainer options."""

    def train(*callbacks, name="iris_mlp", logger=None, trainer=None, network=None, **changes):
        watch = Watch()
        model = config.model(name)
        short = {"epochs": EPOCHS, "batch_size": ROWS // BATCHES} | changes
        network = model.network.model_copy(update=network)
        model = model.model_copy(update={"training": model.training.model_copy(update=short), "network": network})
        settings = type(config.trainer).model_validate(config.trainer.model_dump() | (trainer or {}))
        rows = rows_of(model.dataset)
        counting = register_optimizer_step_post_hook(watch.count_step)
        watch.fitted = fit(
            TrainingSetup(build_module, model, settings, DATA[model.dataset]),
            rows,
            rows,
            logger=logger,
            callbacks=[*callbacks, watch],
        )
        counting.remove()
        return watch

    return train


def adam(rate):
    return AdamConfig(kind="adam", learning_rate=rate, betas=(0.9, 0.999), weight_decay=0)


def constant():
    return ConstantScheduleConfig(kind="constant")


def one_cycle():
    return OneCycleScheduleConfig(kind="one_cycle", warmup_fraction=0.5)


def test_global_step_counts_optimizer_steps(train):
    watch = train()
    assert watch.trainer.global_step == watch.steps == STEPS


def test_global_step_of_a_gan_counts_both_optimizers(train):
    watch = train(name="mnist_gan")
    assert watch.trainer.global_step == watch.steps == 2 * STEPS


def test_model_checkpoint_keeps_the_epoch_of_the_lowest_monitored_loss(train, tmp_path):
    stock = ModelCheckpoint(tmp_path, filename="best", monitor="val/loss", save_last=True, save_weights_only=True)
    watch = train(stock, optimizer=adam(0.5), schedule=constant())
    lowest = min(watch.fitted.epochs, key=lambda epoch: epoch.metrics["val/loss"])
    assert float(stock.best_model_score or 0) == pytest.approx(lowest.metrics["val/loss"])
    best = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert best["global_step"] == lowest.epoch * BATCHES
    assert torch.equal(best["state_dict"]["network.network.1.weight"], watch.fitted.weights["network.1.weight"])
    # Lightning writes last.ckpt whenever it saves a checkpoint, here that of the best epoch.
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == best["global_step"]


def test_model_checkpoint_writes_every_n_steps(train, tmp_path):
    train(ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=5, save_top_k=-1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step=10.ckpt", "step=5.ckpt"]


def test_model_checkpoint_creates_its_folder(train, tmp_path):
    train(ModelCheckpoint(dirpath=tmp_path / "new"))
    (path,) = (tmp_path / "new").iterdir()
    assert torch.load(path, weights_only=True)["global_step"] == STEPS


def test_model_checkpoint_without_arguments_writes_below_the_current_folder(train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stock = ModelCheckpoint()
    train(stock)
    path = Path(stock.best_model_path)
    assert path.is_relative_to(tmp_path)
    assert torch.load(path, weights_only=True)["global_step"] == STEPS


@pytest.mark.parametrize("name", [NEW, "other.ckpt"])
def test_checkpoint_io_creates_the_folder(tmp_path, name):
    path = tmp_path / "folder" / name
    StreamingCheckpointIO().save_checkpoint({"step": 1}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}


def test_early_stopping_ends_training(train):
    never_better = EarlyStopping(monitor="val/loss", patience=1, min_delta=100.0)
    assert len(train(never_better, epochs=9).fitted.epochs) == 2
    always_better = EarlyStopping(monitor="val/loss", patience=1, min_delta=-100.0)
    assert len(train(always_better, epochs=9).fitted.epochs) == 9


def test_learning_rate_monitor_records_the_rate_of_every_epoch(train, tmp_path):
    logger = CSVLogger(tmp_path, flush_logs_every_n_steps=1)
    monitor = LearningRateMonitor(logging_interval="epoch")
    train(monitor, logger=logger, optimizer=adam(0.1), schedule=one_cycle())
    (name,) = monitor.lrs
    rates = monitor.lrs[name]
    assert len(rates) == EPOCHS
    assert rates[0] < max(rates) <= 0.1


def test_csv_logger_has_the_metrics_of_every_epoch(train, tmp_path):
    logger = CSVLogger(tmp_path)
    watch = train(logger=logger)
    header, *lines = (tmp_path / "lightning_logs/version_0/metrics.csv").read_text().splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    for metric in ("train/loss", "train/accuracy", "val/loss", "val/accuracy"):
        logged = [float(row[metric]) for row in rows if row[metric]]
        assert logged == pytest.approx([epoch.metrics[metric] for epoch in watch.fitted.epochs])


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_ema_weight_averaging_ends_with_the_average(train, decay):
    """A decay of 0 gives the last weights; a decay of 1 keeps the weights of the first step."""
    options = {"optimizer": adam(0.05), "schedule": constant(), "ema_decay": None}
    averaged = train(EMAWeightAveraging(decay=decay), **options).last_weights
    expected = train(**options, trainer={"max_steps": 1 if decay else STEPS}).last_weights
    assert averaged.keys() == expected.keys()
    assert all(torch.allclose(averaged[name], expected[name]) for name in expected)


def test_fast_dev_run_runs_one_batch_of_each(train):
    watch = train(trainer={"fast_dev_run": True})
    assert (watch.steps, watch.validation_batches) == (1, 1)


@pytest.mark.parametrize(("limit", "expected"), [(2, 2), (0.5, 2), (3, 3)])
def test_limit_train_batches_accepts_a_number_or_a_fraction(train, limit, expected):
    watch = train(trainer={"limit_train_batches": limit})
    assert watch.trainer.global_step == watch.steps == EPOCHS * expected


def test_limit_val_batches_0_keeps_the_last_weights(train):
    watch = train(trainer={"limit_val_batches": 0})
    assert watch.validation_batches == 0
    assert "val/loss" not in watch.fitted.best.metrics
    assert watch.fitted.best.epoch == EPOCHS


def test_overfit_batches_trains_on_the_same_rows_every_epoch(train):
    watch = train(trainer={"overfit_batches": 2})
    assert watch.steps == 2 * EPOCHS
    first, second, third = (watch.rows[start : start + 2] for start in (0, 2, 4))
    assert first == second == third
    assert first[0] != first[1]


def test_rows_are_shuffled_every_epoch(train):
    first, second, third = (train().rows[start : start + BATCHES] for start in (0, BATCHES, 2 * BATCHES))
    assert first != second != third
    assert sorted(functools.reduce(operator.iadd, first, [])) == sorted(functools.reduce(operator.iadd, second, []))


@pytest.mark.parametrize("steps", [1, 5, 8])
def test_max_steps_ends_training(train, steps):
    watch = train(trainer={"max_steps": steps})
    assert watch.trainer.global_step == watch.steps == steps
    assert len(watch.fitted.epochs) == math.ceil(steps / BATCHES)


def test_accumulated_gradients_equal_the_gradient_of_the_whole_batch(train):
    options = {"optimizer": adam(0.05), "schedule": constant(), "l1": 0, "l2": 0, "ema_decay": None}
    parts = train(trainer={"accumulate_grad_batches": 2}, **options)
    whole = train(batch_size=2 * ROWS // BATCHES, **options)
    assert parts.trainer.global_step == parts.steps == whole.steps == STEPS / 2
    for name, weight in whole.last_weights.items():
        assert torch.allclose(parts.last_weights[name], weight, atol=1e-5), name


@pytest.mark.parametrize(
    "trainer",
    [{}, {"limit_train_batches": 2}, {"max_steps": 7}, {"accumulate_grad_batches": 2}, {"fast_dev_run": 3}],
)
def test_schedule_ends_with_the_last_optimizer_step(train, trainer):
    watch = train(optimizer=adam(0.1), schedule=one_cycle(), trainer=trainer)
    assert watch.rates[-1] < 1e-5


@pytest.mark.parametrize("trainer", [{}, {"accumulate_grad_batches": 2}, {"limit_train_batches": 0.7}])
def test_batch_normalization_trains_with_one_row_over_and_the_schedule_fits(train, trainer):
    """Sixteen rows in batches of five leave one row, which torch cannot normalize."""
    options = {"network": {"normalization": "batch"}, "batch_size": 5, "ema_decay": 0.9}
    watch = train(optimizer=adam(0.1), schedule=one_cycle(), trainer=trainer, **options)
    batches = 2 if "limit_train_batches" in trainer else 3
    assert [len(rows) for rows in watch.rows] == [5, 5, 6][:batches] * EPOCHS
    assert watch.rates[-1] < 1e-5


def test_dataset_accepts_the_indices_of_a_stock_sampler():
    rows = rows_of("iris")
    batch = BatchDataset(rows).__getitems__([3, 1])
    assert batch.inputs.tolist() == rows.inputs[[3, 1]].tolist()
    assert (batch.rows, batch.loss_weight) == (2, 1)
