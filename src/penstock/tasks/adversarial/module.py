"""Adversarial training: a generator learns to create images that a discriminator classifies as real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim.lr_scheduler import LRScheduler

from penstock.config.models import AdversarialConfig
from penstock.config.training import AdversarialTrainingConfig
from penstock.data.datamodule import Batch
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.build import build_network
from penstock.models.gan import Gan
from penstock.training.module import BaseModule
from penstock.training.optimizers import build_optimizer, build_schedule
from penstock.training.steps import planned_steps

SAMPLES = 64


class AdversarialModule(BaseModule):
    """Train a `Gan` by alternating updates: the discriminator on real and generated images, then the generator.

    Optimization is manual, because there are two optimizers; `trainer.global_step` counts two steps per batch. After
    every epoch, the generator creates images from the same noise. `artifacts` returns them as `samples`, uint8
    [epochs, 64, height, width].
    """

    num_optimizers = 2
    network: Gan

    def __init__(self, network: Gan, settings: AdversarialTrainingConfig) -> None:
        super().__init__(network)
        self.automatic_optimization = False
        self.settings = settings
        self._samples: list[Tensor] = []

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        images = batch.inputs
        generator, discriminator = self._optimizers()
        fake = self.network.generator(self._noise(len(images)))
        discriminator_loss = self._discriminator_loss(self.network.scaled(images), fake.detach())
        self._step(discriminator, batch.weighted(discriminator_loss))
        self.toggle_optimizer(generator)
        scores = self.network.discriminator(fake)
        generator_loss = binary_cross_entropy_with_logits(scores, torch.ones_like(scores))
        self._step(generator, batch.weighted(generator_loss))
        self.untoggle_optimizer(generator)
        for schedule in self._schedules():
            schedule.step()
        self.log_mean("train/loss", generator_loss + discriminator_loss, batch.rows)
        self.log_mean("train/generator_loss", generator_loss, batch.rows)
        self.log_mean("train/discriminator_loss", discriminator_loss, batch.rows)

    def _step(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    def _discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        scores = self.network.discriminator(torch.cat([real, fake]))
        targets = torch.zeros_like(scores)
        targets[: len(real)] = self.settings.real_label
        return binary_cross_entropy_with_logits(scores, targets)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the discriminator's mean score of real and of generated images, 0..1; 1 means real."""
        if batch_idx == 0:
            self._samples.append(self._images_of_fixed_noise())
        real = self.network.scaled(batch.inputs)
        fake = self.network.generator(self._noise(len(real)))
        for name, images in (("val/d_real", real), ("val/d_fake", fake)):
            self.log_mean(name, self.network.discriminator(images).sigmoid().mean(), batch.rows)

    def _images_of_fixed_noise(self) -> Tensor:
        noise = torch.randn(SAMPLES, *self.network.input_spec.shape, generator=torch.Generator().manual_seed(0))
        (images,) = self.network.predict(noise.to(self.device))
        return images.cpu()

    def artifacts(self) -> Mapping[str, Tensor]:
        return {"samples": torch.stack(self._samples)}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["samples"] = self._samples

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._samples = checkpoint["samples"]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        parts = [
            (self.settings.generator, self.network.generator),
            (self.settings.discriminator, self.network.discriminator),
        ]
        optimizers = [build_optimizer(settings, part.parameters(), fused=not self.is_mixed) for settings, part in parts]
        # Each optimizer takes one step per batch and has its own schedule.
        planned = planned_steps(self.trainer)
        return optimizers, [build_schedule(self.settings.schedule, optimizer, planned) for optimizer in optimizers]

    def _optimizers(self) -> list[LightningOptimizer]:
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        return optimizers

    def _schedules(self) -> list[LRScheduler]:
        schedules = self.lr_schedulers()
        assert isinstance(schedules, list)
        return schedules

    def _noise(self, rows: int) -> Tensor:
        return torch.randn(rows, *self.network.input_spec.shape, device=self.device)


def build(model: AdversarialConfig, info: DatasetInfo) -> AdversarialModule:
    """Build the module of a model for a processed dataset.

    Raises:
        WrongSettingError: The dataset has no images.
    """
    network = build_network(model, info)
    assert isinstance(network, Gan)
    return AdversarialModule(network, model.training)
