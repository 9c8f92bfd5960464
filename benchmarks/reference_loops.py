"""Train without Penstock's loop: in plain PyTorch, or in Lightning with `DataLoader` or with Penstock's loader.

Networks, losses, optimizers and schedules are those of Penstock. Each function returns the seconds of the second of two
epochs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, WeightAveraging
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset

from penstock.config.models import AdversarialConfig, ModelConfig
from penstock.data.datamodule import ArrayDataModule, Batch
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ArraySplit
from penstock.models.gan import Gan
from penstock.tasks.adversarial.module import AdversarialModule
from penstock.tasks.build import build_module
from penstock.training.module import BaseModule, SupervisedModule
from penstock.training.optimizers import build_optimizer, build_schedule
from penstock.training.steps import PlannedSteps

EPOCHS = 2
# Takes the index of an optimizer and a loss; computes the gradients and steps the optimizer.
Update = Callable[[int, Tensor], None]


def bare_epoch(model: ModelConfig, info: DatasetInfo, learn: ArraySplit) -> float:
    """Train in a plain PyTorch loop, with Penstock's memory format and fused optimizer."""
    task = _in_our_memory_format(_task(model, info))
    optimizers, schedules = _steppers(model, task, len(learn), fused=True)
    decay, clip = model.training.ema_decay, _clip(model)
    averaged = AveragedModel(task.network, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None  # type: ignore[no-untyped-call]
    inputs, labels = (torch.from_numpy(np.array(part)) for part in (learn.inputs, learn.labels))

    def update(number: int, loss: Tensor) -> None:
        optimizers[number].zero_grad()
        torch.autograd.backward(loss)
        if clip:
            clip_grad_norm_(task.network.parameters(), clip)
        optimizers[number].step()
        schedules[number].step()

    task.train()
    for _ in range(EPOCHS):
        begun = time.perf_counter()
        for rows in torch.split(torch.randperm(len(labels)), model.training.batch_size):
            _learn(task, inputs[rows], labels[rows], update)
            if averaged:
                averaged.update_parameters(task.network)
    return time.perf_counter() - begun


def epoch_with_dataloader(model: ModelConfig, info: DatasetInfo, learn: ArraySplit) -> float:
    """Train as in Lightning's tutorials: a short module, and a `DataLoader` that collates rows."""
    rows = TensorDataset(*(torch.from_numpy(np.array(part)) for part in (learn.inputs, learn.labels)))
    loader = DataLoader(rows, batch_size=model.training.batch_size, shuffle=True)
    return _epoch_in_lightning(model, _task(model, info), loader, len(learn), fused=False)


def epoch_with_our_loader(model: ModelConfig, info: DatasetInfo, learn: ArraySplit) -> float:
    """Train the same short module with Penstock's memory format, fused optimizer and loader of whole batches."""
    data = ArrayDataModule(train=learn, validation=learn, batch_size=model.training.batch_size)
    task = _in_our_memory_format(_task(model, info))
    return _epoch_in_lightning(model, task, data.train_dataloader(), len(learn), fused=True)


def _in_our_memory_format(task: BaseModule) -> BaseModule:
    task.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the types of torch
    return task


def _epoch_in_lightning(
    model: ModelConfig, task: BaseModule, loader: DataLoader[Any], rows: int, *, fused: bool
) -> float:
    decay = model.training.ema_decay
    clock = _Clock()
    callbacks: list[Callback] = [clock]
    if decay:
        callbacks.append(WeightAveraging(multi_avg_fn=get_ema_multi_avg_fn(decay)))  # type: ignore[no-untyped-call]
    kind = _AsPeopleWriteGans if isinstance(model, AdversarialConfig) else _AsPeopleWrite
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        gradient_clip_val=_clip(model),
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(kind(task, *_steppers(model, task, rows, fused=fused)), loader)
    return clock.seconds


def _task(model: ModelConfig, info: DatasetInfo) -> BaseModule:
    torch.manual_seed(model.training.seed)
    return build_module(model, info)


def _clip(model: ModelConfig) -> float | None:
    return getattr(model.training, "gradient_clip_norm", None)


def _steppers(
    model: ModelConfig, task: BaseModule, rows: int, *, fused: bool
) -> tuple[list[Optimizer], list[LRScheduler]]:
    training = model.training
    if isinstance(model, AdversarialConfig):
        assert isinstance(task.network, Gan)
        parts: list[tuple[Any, Module]] = [
            (model.training.generator, task.network.generator),
            (model.training.discriminator, task.network.discriminator),
        ]
    else:
        parts = [(model.training.optimizer, task.network)]
    optimizers = [build_optimizer(settings, part.parameters(), fused=fused) for settings, part in parts]
    steps = -(-rows // training.batch_size)
    planned = PlannedSteps(steps, steps * EPOCHS, limited=False)
    schedules = [build_schedule(training.schedule, optimizer, planned) for optimizer in optimizers]
    return optimizers, schedules


def _learn(task: BaseModule, inputs: Tensor, labels: Tensor, update: Update) -> tuple[Tensor, Tensor]:
    """Run one training step.

    Returns:
        The loss, and the score; for a GAN, the losses of the generator and of the discriminator.
    """
    if isinstance(task, SupervisedModule):
        loss, score = task.loss_and_score(Batch(inputs, labels, len(labels), 1))
        update(0, loss)
        return loss, score
    assert isinstance(task, AdversarialModule)
    gan = task.network
    drawn = gan.generator(torch.randn(len(inputs), *gan.input_spec.shape))
    scores = gan.discriminator(torch.cat([gan.scaled(inputs), drawn.detach()]))
    targets = torch.zeros_like(scores)
    targets[: len(inputs)] = task.settings.real_label
    of_discriminator = binary_cross_entropy_with_logits(scores, targets)
    update(1, of_discriminator)
    taken = gan.discriminator(drawn)
    of_generator = binary_cross_entropy_with_logits(taken, torch.ones_like(taken))
    update(0, of_generator)
    return of_generator, of_discriminator


class _Clock(Callback):
    """Measure the seconds of the last epoch."""

    seconds = 0.0
    _begun = 0.0

    def on_train_epoch_start(self, *_: object) -> None:
        self._begun = time.perf_counter()

    def on_train_epoch_end(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._begun


class _AsPeopleWrite(lightning.LightningModule):
    """Module as in a tutorial: it returns the loss, and logs loss and score."""

    def __init__(self, task: BaseModule, optimizers: list[Optimizer], schedules: list[LRScheduler]) -> None:
        super().__init__()
        self.task = task
        self.made = optimizers, schedules

    def training_step(self, batch: tuple[Tensor, ...], _index: int) -> Tensor | None:
        inputs, labels, *_ = batch
        loss, score = _learn(self.task, inputs, labels, self.leave_to_lightning)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        self.log("train_score", score, on_step=False, on_epoch=True)
        return loss

    def leave_to_lightning(self, number: int, loss: Tensor) -> None:
        pass

    def configure_optimizers(self) -> Any:  # noqa: ANN401  (Lightning's own)
        optimizers, schedules = self.made
        return optimizers, [{"scheduler": schedule, "interval": "step"} for schedule in schedules]


class _AsPeopleWriteGans(_AsPeopleWrite):
    """Module with two optimizers, which requires manual optimization."""

    def __init__(self, task: BaseModule, optimizers: list[Optimizer], schedules: list[LRScheduler]) -> None:
        super().__init__(task, optimizers, schedules)
        self.automatic_optimization = False

    def training_step(self, batch: tuple[Tensor, ...], _index: int) -> None:
        super().training_step(batch, _index)

    def leave_to_lightning(self, number: int, loss: Tensor) -> None:
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        optimizers[number].zero_grad()
        self.manual_backward(loss)
        optimizers[number].step()
