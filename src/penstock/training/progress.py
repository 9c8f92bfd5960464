"""A bar of batches while training runs in a terminal."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule
from pytorch_lightning import Trainer as LightningTrainer
from rich.progress import TaskID

from penstock.core.console import step_progress


class BatchProgress(Callback):
    """One bar per epoch; it shows nothing where there is no terminal."""

    def __init__(self) -> None:
        self.bar = step_progress()
        self.task: TaskID | None = None

    def on_train_epoch_start(self, trainer: LightningTrainer, pl_module: LightningModule) -> None:
        if self.bar.disable or not trainer.is_global_zero:
            return
        self.bar.start()
        name = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self.task = self.bar.add_task(name, total=float(trainer.num_training_batches))

    def on_train_batch_end(
        self,
        trainer: LightningTrainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401  (Lightning's own signature)
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        if self.task is not None:
            self.bar.update(self.task, completed=trainer.train_dataloader.served)  # type: ignore[union-attr]

    def on_train_epoch_end(self, trainer: LightningTrainer, pl_module: LightningModule) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.bar.stop()
            self.task = None

    def on_exception(self, trainer: LightningTrainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.bar.stop()
