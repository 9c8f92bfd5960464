"""How many optimizer steps a training takes: schedules need to know before the first one."""

from __future__ import annotations

import math
from typing import NamedTuple

from pytorch_lightning import Trainer

from penstock.data.datamodule import ArrayDataModule


class PlannedSteps(NamedTuple):
    """Optimizer steps of a training."""

    per_epoch: int
    total: int
    limited: bool
    """Whether a Trainer option such as `fast_dev_run` or `limit_train_batches` shortens the training."""


def planned_steps(trainer: Trainer) -> PlannedSteps:
    """Count the optimizer steps that `trainer` will take.

    `Trainer.estimated_stepping_batches` opens the training loader, and a resumed training would then start its epoch
    anew: the loader's place is loaded afterwards. So the count is made from the data module where there is one.
    """
    limited = trainer.limit_train_batches != 1.0 or trainer.max_steps != -1
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, ArrayDataModule):
        total = int(trainer.estimated_stepping_batches)
        return PlannedSteps(max(1, total // max(1, trainer.max_epochs or 1)), total, limited)
    per_epoch = math.ceil(_batches(trainer, data.train_batches) / trainer.accumulate_grad_batches)
    total = per_epoch * (trainer.max_epochs or 1)
    return PlannedSteps(per_epoch, total if trainer.max_steps == -1 else min(total, trainer.max_steps), limited)


def _batches(trainer: Trainer, length: int) -> int:
    """Batches of an epoch under `limit_train_batches`, which is a number of batches or a share of them."""
    limit = trainer.limit_train_batches
    return min(length, limit) if isinstance(limit, int) else max(1, int(length * limit))
