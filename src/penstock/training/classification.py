"""Classification as a LightningModule: loss and accuracy, over exactly the rows that were seen."""

from __future__ import annotations

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional

from penstock.config import Training
from penstock.data.batches import Batch
from penstock.networks.classifier import Classifier, Loss, predicted
from penstock.training.optimizers import build_optimizer, build_schedule


def loss_of(kind: Loss, logits: Tensor, labels: Tensor) -> Tensor:
    """Mean loss of logits [N, C] (or [N, 1] for binary_cross_entropy) against labels int64 [N]."""
    if kind == "binary_cross_entropy":
        return functional.binary_cross_entropy_with_logits(logits[:, 0], labels.float())
    return functional.cross_entropy(logits, labels)


class Totals:
    """Sums over an epoch, kept on the device so that no step waits for a number to reach Python.

    Plain sums, not torchmetrics: its two updates take longer than the whole step of a small network.
    """

    def __init__(self) -> None:
        self.sums: Tensor | None = None

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        rows = len(labels)
        right = (predicted(logits) == labels).sum()
        step = torch.stack([loss.detach() * rows, right.to(loss.dtype), loss.new_tensor(rows)]).double()
        self.sums = step if self.sums is None else self.sums + step

    def means(self) -> tuple[float, float]:
        """Loss and accuracy over all rows since the last call; it begins anew."""
        assert self.sums is not None, "an epoch has at least one batch"
        loss, right, rows = self.sums.tolist()
        self.sums = None
        return loss / rows, right / rows


class Classification(LightningModule):
    """Trains a `Classifier` by the settings of params.yaml.

    `train_totals` and `validation_totals` hold the running sums of the epoch; `Recorder` reads them.
    """

    def __init__(self, classifier: Classifier, settings: Training) -> None:
        super().__init__()
        self.classifier = classifier
        self.settings = settings
        self.train_totals = Totals()
        self.validation_totals = Totals()

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        return self._loss(batch, self.train_totals)

    def validation_step(self, batch: Batch, _index: int) -> None:
        self._loss(batch, self.validation_totals)

    def _loss(self, batch: Batch, totals: Totals) -> Tensor:
        inputs, labels = batch
        logits = self.classifier(inputs)
        loss = loss_of(self.settings.loss, logits, labels)
        totals.add(loss, logits, labels)
        return loss

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = build_optimizer(self.settings.optimizer, self.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = build_schedule(self.settings.schedule, optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
