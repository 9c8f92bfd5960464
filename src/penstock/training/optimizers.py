"""Optimisers and learning-rate schedules by their settings."""

from __future__ import annotations

from collections.abc import Iterable

from torch.nn import Parameter
from torch.optim import SGD, Adagrad, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from penstock.config import training as settings
from penstock.core.errors import WrongSettingError


def build_optimizer(optimizer: settings.OptimizerConfig, parameters: Iterable[Parameter], *, fused: bool) -> Optimizer:
    """The optimiser of these settings; `fused` takes one kernel for all of Adam's parameters."""
    rate = optimizer.learning_rate
    match optimizer:
        case settings.SgdConfig():
            return SGD(parameters, lr=rate, momentum=optimizer.momentum)
        case settings.AdagradConfig():
            return Adagrad(parameters, lr=rate)
        case settings.RmsPropConfig():
            return RMSprop(parameters, lr=rate, alpha=optimizer.alpha)
        case settings.AdamConfig():
            return AdamW(parameters, lr=rate, betas=optimizer.betas, weight_decay=optimizer.weight_decay, fused=fused)


def build_schedule(
    schedule: settings.ScheduleConfig, optimizer: Optimizer, *, steps_of_epoch: int, epochs: int
) -> LRScheduler:
    """A schedule that is stepped after every batch, of which there are `steps_of_epoch` in each epoch.

    Raises:
        WrongSettingError: the warm-up is not longer than one step.
    """
    steps = steps_of_epoch * epochs
    match schedule:
        case settings.ConstantScheduleConfig():
            return LambdaLR(optimizer, lambda step: 1.0)
        case settings.ExponentialScheduleConfig(gamma=gamma):
            return LambdaLR(optimizer, lambda step: gamma ** (step / steps_of_epoch))
        case settings.StepScheduleConfig(gamma=gamma, epochs=every):
            return LambdaLR(optimizer, lambda step: gamma ** int(step / steps_of_epoch / every + 1e-9))
        case settings.OneCycleScheduleConfig(warmup_fraction=warmup):
            if steps * warmup <= 1:
                raise WrongSettingError(
                    "training.schedule.warmup_fraction", f"{warmup:g} of {steps} steps is not more than one step"
                )
            peak = optimizer.param_groups[0]["lr"]
            # It would also move Adam's first beta, which is the optimiser's own setting.
            return OneCycleLR(optimizer, max_lr=peak, total_steps=steps, pct_start=warmup, cycle_momentum=False)
