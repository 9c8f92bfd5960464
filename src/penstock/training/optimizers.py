"""Build optimizers and learning-rate schedules from their settings."""

from __future__ import annotations

from collections.abc import Iterable

from torch.nn import Parameter
from torch.optim import SGD, Adagrad, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from penstock.config import training as settings
from penstock.core.errors import WrongSettingError
from penstock.training.steps import PlannedSteps


def build_optimizer(optimizer: settings.OptimizerConfig, parameters: Iterable[Parameter], *, fused: bool) -> Optimizer:
    """Build an optimizer.

    Args:
        optimizer: Its settings.
        parameters: The weights that it updates.
        fused: Whether Adam updates all parameters in one kernel.
    """
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


def build_schedule(schedule: settings.ScheduleConfig, optimizer: Optimizer, planned: PlannedSteps) -> LRScheduler:
    """Build a learning-rate schedule that is stepped after every optimizer step.

    Args:
        schedule: Its settings.
        optimizer: The optimizer whose learning rate it sets.
        planned: Number of optimizer steps, per epoch and in total.

    Raises:
        WrongSettingError: The warmup is not longer than one step.
    """
    match schedule:
        case settings.ConstantScheduleConfig():
            return LambdaLR(optimizer, lambda step: 1.0)
        case settings.ExponentialScheduleConfig(gamma=gamma):
            return LambdaLR(optimizer, lambda step: gamma ** (step / planned.per_epoch))
        case settings.StepScheduleConfig(gamma=gamma, epochs=every):
            return LambdaLR(optimizer, lambda step: gamma ** int(step / planned.per_epoch / every + 1e-9))
        case settings.OneCycleScheduleConfig(warmup_fraction=warmup):
            return _one_cycle(warmup, optimizer, planned)


def _one_cycle(warmup: float, optimizer: Optimizer, planned: PlannedSteps) -> LRScheduler:
    if planned.total * warmup <= 1:
        if planned.limited:  # a short test run, such as fast_dev_run, has too few steps for a cycle
            return LambdaLR(optimizer, lambda step: 1.0)
        raise WrongSettingError(
            "training.schedule.warmup_fraction", f"{warmup:g} of {planned.total} steps is not more than one step"
        )
    peak = optimizer.param_groups[0]["lr"]
    # `cycle_momentum` would also change Adam's first beta, which is a setting of the optimizer.
    return OneCycleLR(optimizer, max_lr=peak, total_steps=planned.total, pct_start=warmup, cycle_momentum=False)
