"""What every training has in common: a network, figures per epoch, and how the kept weights are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from penstock.config.training import Training
from penstock.data.batches import Batch
from penstock.networks.servable import Servable
from penstock.training.optimizers import build_optimizer, build_schedule


class Task(LightningModule):
    """A network in training; `Recorder` asks it for the figures of each epoch.

    selected_by: the validation metric whose lowest value chooses the kept weights; None keeps the last ones.
    score: the figure that people judge by, without the part of the data in front: validation_<score>; empty for none.
    clip: largest norm of the whole gradient, for the trainer.
    """

    selected_by: ClassVar[str | None] = None
    score: ClassVar[str] = ""
    clip: float | None = None

    def __init__(self, network: Servable) -> None:
        super().__init__()
        self.network = network

    @property
    def fused(self) -> bool:
        """Whether the optimiser may be one kernel: with mixed precision that would unscale gradients by itself, and
        Lightning could not bound their norm."""
        return self.trainer.precision == "32-true"

    def train_metrics(self) -> dict[str, float]:
        """Over the epoch that has ended, in training mode; names begin with train_."""
        raise NotImplementedError

    def validation_metrics(self) -> dict[str, float]:
        """Over the validation that has ended; names begin with validation_."""
        raise NotImplementedError

    def shown(self) -> Mapping[str, Tensor]:
        """What people want to see of the training besides its figures."""
        return {}


class Totals:
    """Sums over an epoch, kept on the device so that no step waits for a number to reach Python.

    Plain sums, not torchmetrics: its two updates take longer than the whole step of a small network.
    """

    def __init__(self) -> None:
        self.sums: Tensor | None = None

    def add(self, rows: int, *means: Tensor) -> None:
        """Means over the rows of one batch, each a scalar."""
        exact = torch.float32 if means[0].device.type == "mps" else torch.float64  # which Apple's chips do not have
        step = torch.stack(
            [*(mean.detach().to(exact) * rows for mean in means), means[0].new_tensor(rows, dtype=exact)]
        )
        self.sums = step if self.sums is None else self.sums + step

    def means(self) -> list[float]:
        """Of all rows since the last call, in the order they were added; it begins anew."""
        assert self.sums is not None, "an epoch has at least one batch"
        *sums, rows = self.sums.tolist()
        self.sums = None
        return [total / rows for total in sums]


class Supervised(Task):
    """Training against a right answer: loss, penalties on the weights, one optimiser and its schedule.

    A subclass says what the loss of a batch is, and the figure beside it that people judge by.
    """

    selected_by = "validation_loss"

    def __init__(self, network: Servable, settings: Training) -> None:
        super().__init__(network)
        self.settings = settings
        self.clip = settings.gradient_clip_norm
        self._train_totals = Totals()
        self._validation_totals = Totals()

    def loss_and_score(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean loss and mean score over the rows of a batch."""
        raise NotImplementedError

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        loss, score = self.loss_and_score(batch)
        self._train_totals.add(len(batch[1]), loss, score)
        return loss + self.penalty() if self.settings.l1 or self.settings.l2 else loss

    def validation_step(self, batch: Batch, _index: int) -> None:
        self._validation_totals.add(len(batch[1]), *self.loss_and_score(batch))

    def penalty(self) -> Tensor:
        """l1 x sum |w| + l2 x sum w^2 over all weights; biases and scales, which are vectors, go free."""
        weights = [parameter for parameter in self.network.parameters() if parameter.dim() > 1]
        total = weights[0].new_zeros(())
        for weight in weights:
            if self.settings.l1:
                total = total + self.settings.l1 * weight.abs().sum()
            if self.settings.l2:
                total = total + self.settings.l2 * weight.square().sum()
        return total

    def train_metrics(self) -> dict[str, float]:
        loss, score = self._train_totals.means()
        return {"train_loss": loss, f"train_{self.score}": score}

    def validation_metrics(self) -> dict[str, float]:
        loss, score = self._validation_totals.means()
        return {"validation_loss": loss, f"validation_{self.score}": score}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = build_optimizer(self.settings.optimizer, self.network.parameters(), fused=self.fused)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = build_schedule(self.settings.schedule, optimizer, steps=steps, epochs=self.settings.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
