"""A LightningModule of one's own: its step and optimizer are used, and it resumes exactly."""

import signal
from typing import Any

import numpy as np
import pytest
import torch

from penstock.core.errors import OwnCodeError
from penstock.core.signals import Interrupted
from penstock.data.datamodule import ShardedBatchSampler
from penstock.io.processed_dataset import ArraySplit
from penstock.tasks.build import build_module
from penstock.training.checkpoint_files import Checkpoints
from penstock.training.fit import TrainingSetup, fit
from tests.models.test_tabular import info_of, model_of

MODULE = """\
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional


class Net(pl.LightningModule):
    def __init__(self, inputs, outputs, loss, rate=0.1):
        super().__init__()
        self.save_hyperparameters(ignore=["inputs"])
        self.layers = nn.Sequential(nn.Linear(*inputs.shape, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.ReLU())
        self.head = nn.Linear(8, outputs)
        self.rate, self.epochs = rate, 0

    def forward(self, x):
        return self.head(self.layers(x))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = getattr(functional, self.hparams.loss)(self(x), y)
        self.log("train_loss", loss)
        self.log("noise", torch.rand(()))
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_largest", self(x).abs().max())

    def on_train_epoch_end(self):
        self.epochs += 1

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.rate, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)]
"""
LOSSES = {"class": "cross_entropy", "number": "mse_loss", "labels": "binary_cross_entropy_with_logits"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def model_for(target, **training):
    network = {"kind": "module", "path": "mine.py:Net", "loss": LOSSES[target]}
    return model_of(target, {"network": network, "training": {"epochs": 3, "batch_size": 4} | training})


@pytest.fixture
def train(config, project):
    """Train for three epochs of four steps."""

    def train(target="class", *, keep=False, **training):
        generator = np.random.default_rng(0)
        inputs = generator.normal(size=(16, 4)).astype(np.float32)
        numbers = 100 * inputs[:, :1]
        labels = {"class": inputs.argmax(axis=1) % 3, "number": numbers, "labels": (inputs[:, :3] > 0).astype("f4")}
        rows = ArraySplit(inputs=inputs, labels=labels[target])
        files = Checkpoints(project / "checkpoints", "key", config.checkpoints).of("whole") if keep else None
        setup = TrainingSetup(build_module, model_for(target, **training), config.trainer, info_of(target, (4,)))
        return fit(setup, rows, rows, checkpoints=files)

    return train


@pytest.mark.parametrize("step", [3, 4, 10])
@pytest.mark.parametrize("target", ["class", "number", "labels"])
def test_resumed_training_equals_uninterrupted_training(train, monkeypatch, target, step):
    """Covers dropout, running means, momentum, a schedule by epoch, averaged weights and what it logs."""
    uninterrupted = train(target, ema_decay=0.9)
    plain = ShardedBatchSampler.__iter__
    steps = iter(range(1, 100))

    def batches(self):
        for batch in plain(self):
            if self.sampler and next(steps) == step:
                signal.raise_signal(signal.SIGTERM)
            yield batch

    with monkeypatch.context() as patched, pytest.raises(Interrupted, match="SIGTERM"):
        patched.setattr(ShardedBatchSampler, "__iter__", batches)
        train(target, keep=True, ema_decay=0.9)
    resumed = train(target, keep=True, ema_decay=0.9)
    assert resumed.epochs == uninterrupted.epochs
    assert all(torch.equal(resumed.weights[name], tensor) for name, tensor in uninterrupted.weights.items())


def test_its_optimizer_its_schedule_and_what_it_logs_are_used(train):
    epochs = train().epochs
    # Penstock reads the rate after Lightning's step of a schedule by epoch.
    assert [epoch.metrics["learning_rate"] for epoch in epochs] == pytest.approx([0.05, 0.025, 0.0125])
    assert list(epochs[0].metrics) == [
        "train/noise",
        "train/loss",
        "val/loss",
        "val/accuracy",
        "val/largest",
        "learning_rate",
    ]


def test_a_regression_gets_standardized_targets(train):
    """The targets have a standard deviation of about 100, so the loss of the first epoch tells the difference."""
    assert train("number").epochs[0].metrics["train/loss"] < 5


def test_its_hooks_run_beside_those_of_penstock(config, project):
    setup = TrainingSetup(build_module, model_for("class"), config.trainer, info_of("class", (4,)))
    seen: list[Any] = []

    def build(model, info):
        seen.append(build_module(model, info))
        return seen[-1]

    rows = ArraySplit(inputs=np.zeros((8, 4), np.float32), labels=np.arange(8) % 3)
    fit(TrainingSetup(build, setup.model, config.trainer, setup.info), rows, rows)
    assert seen[0].own.epochs == 3


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("def training_step", "def step", r"^mine\.py:7: Net has no training_step$"),
        ("def configure_optimizers", "def optimizers_of", r"^mine\.py:7: Net has no configure_optimizers$"),
        ("self.epochs = rate, 0", "self.automatic_optimization = rate, False", r"Net: manual optimization is not"),
        ("def on_train_epoch_end", "def train_dataloader", r"Net: train_dataloader would never be called$"),
        ("        return loss\n", "", r"^mine\.py:7: training_step must return the loss, a scalar with a gradient$"),
        ("self(x), y)", "self(x), y[:2])", r"^mine\.py:20: ValueError: Expected input batch_size"),
    ],
)
def test_what_does_not_hold_is_one_line(train, project, old, new, problem):
    assert MODULE.count(old) == 1
    (project / "mine.py").write_text(MODULE.replace(old, new))
    with pytest.raises(OwnCodeError, match=problem):
        train()
