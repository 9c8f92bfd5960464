"""Optimisers and learning-rate schedules by their settings."""

from __future__ import annotations

from collections.abc import Iterable

from torch.nn import Parameter
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from penstock import config
from penstock.errors import WrongSettingError


def build_optimizer(settings: config.Adam, parameters: Iterable[Parameter]) -> Optimizer:
    return Adam(parameters, lr=settings.learning_rate)


def build_schedule(
    settings: config.ConstantSchedule | config.OneCycleSchedule, optimizer: Optimizer, steps: int
) -> LRScheduler:
    """A schedule that is stepped after every batch, for a training of `steps` batches.

    Raises:
        WrongSettingError: the warm-up is not longer than one step.
    """
    match settings:
        case config.ConstantSchedule():
            return ConstantLR(optimizer, factor=1.0)
        case config.OneCycleSchedule():
            if steps * settings.warm_up <= 1:
                raise WrongSettingError(
                    "training.schedule.warm_up", f"{settings.warm_up:g} of {steps} steps is not more than one step"
                )
            peak = optimizer.param_groups[0]["lr"]
            return OneCycleLR(optimizer, max_lr=peak, total_steps=steps, pct_start=settings.warm_up)
