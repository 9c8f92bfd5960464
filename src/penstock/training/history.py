"""What every epoch leaves behind: its figures, and the weights if they are the best so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule
from pytorch_lightning import Trainer as LightningTrainer
from torch import Tensor

from penstock.core.errors import TrainingError
from penstock.io.files import write_text
from penstock.training.module import BaseModule


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv. `epoch` counts from 1. Of the metrics, train_* are means over the epoch, in training
    mode; validation_* are taken after it; `learning_rate` is what the schedule has come to at its end."""

    epoch: int
    metrics: Mapping[str, float]

    def split_metrics(self, name: str) -> dict[str, float]:
        """The metrics of train or validation, without that prefix, rounded for a report."""
        prefix = f"{name}_"
        return {
            metric.removeprefix(prefix): round(value, 6)
            for metric, value in self.metrics.items()
            if metric.startswith(prefix)
        }


def write_history(path: Path, epochs: list[Epoch]) -> None:
    header = ",".join(["epoch", *epochs[0].metrics])
    rows = [",".join([str(epoch.epoch), *(f"{value:.6g}" for value in epoch.metrics.values())]) for epoch in epochs]
    write_text(path, "\n".join([header, *rows]) + "\n")


class HistoryCallback(Callback):
    """Keeps the history and the chosen weights, and stops when patience has run out.

    It has to stand before a callback that averages weights: those are in the network until the end of validation.

    Args:
        patience: epochs without a lower validation loss before training ends; None is never.
        on_epoch: called with each finished epoch, and with the number of epochs there are at most.
    """

    def __init__(self, patience: int | None, on_epoch: Callable[[Epoch, int], None]) -> None:
        self.patience = patience
        self.on_epoch = on_epoch
        self.epochs: list[Epoch] = []
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}
        self._lowest = math.inf
        self._validation: dict[str, float] = {}

    @property
    def best(self) -> Epoch:
        return self.epochs[self.best_epoch - 1]

    def state_dict(self) -> dict[str, Any]:
        return {
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "lowest": self._lowest,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epochs = [Epoch(**epoch) for epoch in state_dict["epochs"]]
        self.best_epoch = state_dict["best_epoch"]
        self.best_weights = state_dict["best_weights"]
        self._lowest = state_dict["lowest"]

    def on_fit_start(self, trainer: LightningTrainer, pl_module: LightningModule) -> None:
        # Lightning forgets it: an interruption may have come between the last epoch and the end.
        trainer.should_stop = self._patience_has_run_out()

    def _patience_has_run_out(self) -> bool:
        return self.patience is not None and len(self.epochs) - self.best_epoch >= self.patience

    def on_validation_epoch_end(self, trainer: LightningTrainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, BaseModule)
        self._validation = pl_module.validation_metrics()
        value = self._validation[pl_module.selected_by] if pl_module.selected_by else -math.inf
        if value < self._lowest or pl_module.selected_by is None:
            self._lowest = value
            self.best_epoch = trainer.current_epoch + 1
            state = pl_module.network.state_dict()
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def on_train_epoch_end(self, trainer: LightningTrainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, BaseModule)
        number = trainer.current_epoch + 1
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        epoch = Epoch(number, pl_module.train_metrics() | self._validation | {"learning_rate": rate})
        _require_finite(epoch)
        self.epochs.append(epoch)
        trainer.should_stop = self._patience_has_run_out()
        self.on_epoch(epoch, trainer.max_epochs or 0)


def _require_finite(epoch: Epoch) -> None:
    if not all(map(math.isfinite, epoch.metrics.values())):
        losses = ", ".join(f"{name} {value:g}" for name, value in epoch.metrics.items() if name.endswith("loss"))
        raise TrainingError(
            f"epoch {epoch.epoch}: the loss is no longer a finite number ({losses}); "
            "lower training.optimizer.learning_rate or set training.gradient_clip_norm"
        )
