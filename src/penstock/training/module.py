"""What every LightningModule of this package has in common: a network, means over an epoch, and artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer

from penstock.config.training import SupervisedTrainingConfig
from penstock.data.datamodule import Batch
from penstock.models.common.base import ExportableModel
from penstock.training.augmentation import augment
from penstock.training.metrics import EpochMean, same
from penstock.training.optimizers import build_optimizer, build_schedule
from penstock.training.steps import planned_steps


class BaseModule(LightningModule):
    """An `ExportableModel` in training.

    Args:
        network: The network that is trained, and later exported.
    """

    selected_by: ClassVar[str | None] = None
    """The validation metric whose lowest value selects the weights that are kept; None keeps the last ones."""
    score: ClassVar[str] = ""
    """The metric that people compare models by, without `train/` or `val/` before it; empty for none."""
    score_of_mean = staticmethod(same)
    """Computes the score of an epoch, a scalar, from the mean over its rows that is logged for it."""
    num_optimizers: ClassVar[int] = 1

    def __init__(self, network: ExportableModel) -> None:
        super().__init__()
        self.network = network
        self.epoch_means = nn.ModuleDict()

    @property
    def is_mixed(self) -> bool:
        """Whether Lightning scales losses and gradients. A fused optimizer would unscale the gradients itself."""
        return self.trainer.precision != "32-true"

    def log_mean(self, name: str, mean: Tensor, rows: int) -> None:
        """Log a mean over `rows` rows of a batch; the epoch's value is the mean over all rows of all processes.

        A mean that is logged for the score may have any shape: `score_of_mean` computes the score from it.
        """
        if name not in self.epoch_means:
            self.epoch_means[name] = self._epoch_mean(name, mean.shape)
        cast(EpochMean, self.epoch_means[name]).update(mean, rows)
        if not self.training:  # `self.log` costs as much as the step of a small network: a training logs once an epoch
            self._log_metric(name)

    def _epoch_mean(self, name: str, shape: tuple[int, ...]) -> EpochMean:
        summarize = self.score_of_mean if name.endswith(f"/{self.score}") else same
        return EpochMean(shape, summarize).to(self.device)

    def train_means(self) -> dict[str, float]:
        """The means of this epoch's training steps so far, over all processes."""
        return {name: float(cast(EpochMean, self.epoch_means[name]).compute()) for name in self._train_names()}

    def _train_names(self) -> list[str]:
        return [name for name in self.epoch_means if name.startswith("train/")]

    def _log_metric(self, name: str) -> None:
        metric = cast(EpochMean, self.epoch_means[name])
        self.log(name, metric, on_step=False, on_epoch=True, metric_attribute=f"epoch_means.{name}")

    def artifacts(self) -> Mapping[str, Tensor]:
        """Tensors to show of the training besides its metrics, by name."""
        return {}

    def rank_state(self) -> dict[str, Tensor]:
        """The state of this process that a checkpoint within an epoch needs besides weights and optimizers."""
        return {name: cast(EpochMean, self.epoch_means[name]).sums() for name in self._train_names()}

    def load_rank_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what `rank_state` gave."""
        for name, sums in state.items():
            metric = self._epoch_mean(name, sums.shape[1:])
            metric.load_sums(sums)
            self.epoch_means[name] = metric

    def on_fit_start(self) -> None:
        # All processes start from the same weights, and each draws its own masks and noise.
        if self.trainer.global_rank:
            torch.manual_seed(torch.initial_seed() + self.trainer.global_rank)

    def on_train_epoch_end(self) -> None:
        for name in self._train_names():
            self._log_metric(name)
        self.log("learning_rate", self.trainer.optimizers[0].param_groups[0]["lr"], rank_zero_only=True)


class SupervisedModule(BaseModule):
    """Training against a target: loss, penalties on the weights, one optimizer and its schedule.

    A subclass gives the loss of a batch and the score beside it. Its layers of class `FittedLayer`, in the network or
    beside it, are fitted to the training rows before training.
    """

    selected_by = "val/loss"

    def __init__(self, network: ExportableModel, settings: SupervisedTrainingConfig) -> None:
        super().__init__(network)
        self.settings = settings

    def loss_and_score(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean loss over the rows of a batch, a scalar, and the mean that `score_of_mean` takes."""
        raise NotImplementedError

    def targets(self, batch: Batch) -> Tensor:
        """Return the labels of a batch, as the network predicts them."""
        return batch.labels

    def augmented(self, inputs: Tensor) -> Tensor:
        """Return training images changed at random, if that is configured; other inputs as they are."""
        if self.training and self.settings.augmentation:
            return augment(inputs, self.settings.augmentation)
        return inputs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.objective(batch, self._log_loss_and_score("train", batch))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._log_loss_and_score("val", batch)

    def _log_loss_and_score(self, split: str, batch: Batch) -> Tensor:
        loss, score = self.loss_and_score(batch)
        self.log_mean(f"{split}/loss", loss, batch.rows)
        self.log_mean(f"{split}/{self.score}", score, batch.rows)
        return loss

    def objective(self, batch: Batch, loss: Tensor) -> Tensor:
        """What the optimizer minimizes: the loss, weighted for several processes, plus the penalties."""
        loss = batch.weighted(loss)
        return loss + self.penalty() if self.settings.l1 or self.settings.l2 else loss

    def penalty(self) -> Tensor:
        """l1 x sum |w| + l2 x sum w^2 over all weights; biases and scales, which are vectors, are left out."""
        weights = [parameter for parameter in self.network.parameters() if parameter.dim() > 1]
        total = weights[0].new_zeros(())
        for weight in weights:
            if self.settings.l1:
                total = total + self.settings.l1 * weight.abs().sum()
            if self.settings.l2:
                total = total + self.settings.l2 * weight.square().sum()
        return total

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = build_optimizer(self.settings.optimizer, self.network.parameters(), fused=not self.is_mixed)
        schedule = build_schedule(self.settings.schedule, optimizer, planned_steps(self.trainer))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by `training.gradient_clip_norm`; where that is unset, by the Trainer's own `gradient_clip_val`."""
        self.clip_gradients(
            optimizer,
            gradient_clip_val=self.settings.gradient_clip_norm or gradient_clip_val,
            gradient_clip_algorithm=gradient_clip_algorithm or "norm",
        )
