"""Adversarial training: a generator learns to draw what a discriminator takes for real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from penstock.config.models import AdversarialConfig
from penstock.config.training import AdversarialTrainingConfig
from penstock.data.datamodule import Batch
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.build import build_network
from penstock.models.gan import Gan
from penstock.training.module import BaseModule
from penstock.training.optimizers import build_optimizer, build_schedule

SAMPLES = 64


class AdversarialModule(BaseModule):
    """Trains a `Gan` by alternating updates: the discriminator on a real and a generated half, then the generator.

    Scores are what the discriminator gives, 1 for certainly real. After every epoch the generator draws from the same
    noise; `shown` has these images, uint8 [epochs, 64, height, width].
    """

    parts = 2
    network: Gan

    def __init__(self, network: Gan, settings: AdversarialTrainingConfig) -> None:
        super().__init__(network)
        self.settings = settings
        self._samples: list[Tensor] = []

    def learn(self, batch: Batch) -> None:
        images = batch.inputs
        generator, discriminator = self._optimizers()
        drawn = self.network.generator(self._noise(len(images)))
        discriminator_loss = self._discriminator_loss(self.network.scaled(images), drawn.detach())
        self.update(discriminator, batch.weighted(discriminator_loss))
        self.toggle_optimizer(generator)
        taken = self.network.discriminator(drawn)
        generator_loss = binary_cross_entropy_with_logits(taken, torch.ones_like(taken))
        self.update(generator, batch.weighted(generator_loss))
        self.untoggle_optimizer(generator)
        self._train_totals.add(batch.rows, generator_loss + discriminator_loss, generator_loss, discriminator_loss)

    def _discriminator_loss(self, real: Tensor, drawn: Tensor) -> Tensor:
        scores = self.network.discriminator(torch.cat([real, drawn]))
        targets = torch.zeros_like(scores)
        targets[: len(real)] = self.settings.real_label
        return binary_cross_entropy_with_logits(scores, targets)

    def validation_step(self, batch: Batch, index: int) -> None:
        if index == 0:
            self._samples.append(self._drawn_from_the_same_noise())
        images = batch.inputs
        drawn = self.network.generator(self._noise(len(images)))
        scores = [self.network.discriminator(seen).sigmoid().mean() for seen in (self.network.scaled(images), drawn)]
        self._validation_totals.add(batch.rows, *scores)

    def _drawn_from_the_same_noise(self) -> Tensor:
        noise = torch.randn(SAMPLES, *self.network.input_spec.shape, generator=torch.Generator().manual_seed(0))
        (images,) = self.network.predict(noise.to(self.device))
        return images.cpu()

    def train_metrics(self) -> dict[str, float]:
        both, generator, discriminator = self._train_totals.means()
        return {"train_loss": both, "train_generator_loss": generator, "train_discriminator_loss": discriminator}

    def validation_metrics(self) -> dict[str, float]:
        real, drawn = self._validation_totals.means()
        return {"validation_real_score": real, "validation_drawn_score": drawn}

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
        # Each optimiser takes a step per batch, and has its own schedule.
        schedules = [
            build_schedule(
                self.settings.schedule, optimizer, steps_of_epoch=self.steps_of_epoch, epochs=self.settings.epochs
            )
            for optimizer in optimizers
        ]
        return optimizers, schedules

    def _optimizers(self) -> list[LightningOptimizer]:
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        return optimizers

    def _noise(self, rows: int) -> Tensor:
        return torch.randn(rows, *self.network.input_spec.shape, device=self.device)


def build(model: AdversarialConfig, info: DatasetInfo) -> BaseModule:
    """The training of a model on a processed dataset; raises `WrongSettingError` where it has no images."""
    network = build_network(model, info)
    assert isinstance(network, Gan)
    return AdversarialModule(network, model.training)
