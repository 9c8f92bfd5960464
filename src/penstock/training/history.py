"""Training history: the metrics of each epoch, and the best weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from penstock.core.errors import TrainingError
from penstock.io.files import write_csv
from penstock.training.module import BaseModule


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv."""

    epoch: int
    """Number of the epoch, from 1."""
    metrics: Mapping[str, float]
    """`train/...` are means over the epoch, `val/...` are computed after it, `learning_rate` is the last value."""

    def split_metrics(self, split: str) -> dict[str, float]:
        """Return the metrics of `train` or `val` without the prefix, rounded to 6 digits for reports."""
        prefix = f"{split}/"
        return {
            metric.removeprefix(prefix): round(value, 6)
            for metric, value in self.metrics.items()
            if metric.startswith(prefix)
        }


def write_history(path: Path, epochs: list[Epoch]) -> None:
    """Write history.csv, one row per epoch; a metric that an epoch does not have is nan."""
    missing = dict.fromkeys((metric for epoch in epochs for metric in epoch.metrics), "nan")
    rows = [
        {"epoch": str(epoch.epoch)} | missing | {metric: f"{value:.6g}" for metric, value in epoch.metrics.items()}
        for epoch in epochs
    ]
    write_csv(path, rows)


class HistoryCallback(Callback):
    """Record the metrics of each epoch and the best weights, and stop early.

    Unlike Lightning's `EarlyStopping`, it also stops a training that is resumed after its last epoch. It must run
    before a callback that averages weights: the network holds the averaged weights until validation ends.

    Args:
        patience: Epochs without a lower validation loss before training stops; None disables early stopping.
        on_epoch: Called after each epoch with the epoch and the maximum number of epochs.
    """

    def __init__(self, patience: int | None, on_epoch: Callable[[Epoch, int], None]) -> None:
        self.patience = patience
        self.on_epoch = on_epoch
        self.epochs: list[Epoch] = []
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}
        self._lowest = math.inf

    @property
    def best(self) -> Epoch:
        """Return the epoch whose weights are kept."""
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

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Checkpoints do not contain `should_stop`, and the training may be interrupted between last epoch and end.
        trainer.should_stop = self._patience_is_used_up()

    def _patience_is_used_up(self) -> bool:
        return self.patience is not None and len(self.epochs) - self.best_epoch >= self.patience

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, BaseModule)
        value = float(trainer.callback_metrics[pl_module.selected_by]) if pl_module.selected_by else -math.inf
        if value < self._lowest or pl_module.selected_by is None:
            self._keep(pl_module, value, trainer.current_epoch + 1)

    def _keep(self, module: BaseModule, value: float, epoch: int) -> None:
        self._lowest = value
        self.best_epoch = epoch
        state = module.network.state_dict()
        self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, BaseModule)
        epoch = Epoch(trainer.current_epoch + 1, _metrics_of_epoch(trainer, pl_module))
        _require_finite(epoch)
        self.epochs.append(epoch)
        if not trainer.limit_val_batches:  # without validation, the last weights are kept
            self._keep(pl_module, -math.inf, epoch.epoch)
        if self._patience_is_used_up():
            trainer.should_stop = True
        self.on_epoch(epoch, trainer.max_epochs or 0)


def _metrics_of_epoch(trainer: Trainer, module: BaseModule) -> dict[str, float]:
    """Return the metrics of the module, training before validation, and the learning rate.

    The module logs its training means after this callback runs, so they are read from the module; Lightning still has
    those of the epoch before.
    """
    found = trainer.callback_metrics.items()
    logged = {name: float(value) for name, value in found if "/" in name and not name.startswith("train/")}
    logged |= module.train_means()
    ordered = sorted(logged, key=lambda name: not name.startswith("train/"))
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    return {name: logged[name] for name in ordered} | {"learning_rate": rate}


def _require_finite(epoch: Epoch) -> None:
    if not all(map(math.isfinite, epoch.metrics.values())):
        losses = ", ".join(f"{name} {value:g}" for name, value in epoch.metrics.items() if name.endswith("loss"))
        raise TrainingError(
            f"epoch {epoch.epoch}: the loss is no longer a finite number ({losses}); "
            "lower training.optimizer.learning_rate or set training.gradient_clip_norm"
        )
