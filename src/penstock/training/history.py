"""What every epoch leaves behind: its figures, and the weights if they are the best so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pytorch_lightning import Callback, LightningModule
from pytorch_lightning import Trainer as LightningTrainer
from torch import Tensor

from penstock.errors import TrainingError
from penstock.files import write_text
from penstock.training.classification import Classification


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv. `epoch` counts from 1; `train_*` are means over the epoch, in training mode;
    `learning_rate` is what the schedule has come to at the epoch's end."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float

    @property
    def metrics(self) -> dict[str, float]:
        return {name: value for name, value in asdict(self).items() if name != "epoch"}


def write_history(path: Path, epochs: list[Epoch]) -> None:
    header = ",".join(field.name for field in fields(Epoch))
    rows = [",".join(f"{value:.6g}" for value in asdict(epoch).values()) for epoch in epochs]
    write_text(path, "\n".join([header, *rows]) + "\n")


class Recorder(Callback):
    """Keeps the history, the weights of the lowest validation loss, and stops when patience has run out.

    Args:
        patience: epochs without a lower validation loss before training ends; None is never.
        on_epoch: called with each finished epoch, and with the number of epochs there are at most.
    """

    def __init__(self, patience: int | None, on_epoch: Callable[[Epoch, int], None]) -> None:
        self.patience = patience
        self.on_epoch = on_epoch
        self.epochs: list[Epoch] = []
        self.best: Epoch | None = None
        self.best_weights: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: LightningTrainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Classification)
        epoch = _finished_epoch(trainer, pl_module)
        self.epochs.append(epoch)
        if self.best is None or epoch.validation_loss < self.best.validation_loss:
            self.best = epoch
            state = pl_module.classifier.state_dict()
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
        if self.patience is not None and epoch.epoch - self.best.epoch >= self.patience:
            trainer.should_stop = True
        self.on_epoch(epoch, trainer.max_epochs or 0)


def _finished_epoch(trainer: LightningTrainer, module: Classification) -> Epoch:
    train_loss, train_accuracy = module.train_totals.means()
    validation_loss, validation_accuracy = module.validation_totals.means()
    number = trainer.current_epoch + 1
    if not math.isfinite(train_loss) or not math.isfinite(validation_loss):
        raise TrainingError(
            f"epoch {number}: the loss is no longer a finite number (training {train_loss}, validation "
            f"{validation_loss}); lower training.optimizer.learning_rate or set training.gradient_clip_norm"
        )
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    return Epoch(number, train_loss, train_accuracy, validation_loss, validation_accuracy, rate)
