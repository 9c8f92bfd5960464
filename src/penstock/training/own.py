"""Train a LightningModule of one's own: its training step, optimizers and hooks; Penstock's validation and artifacts.

docs/your-own-code.md describes what such a module may expect, and what it must give.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.model_helpers import is_overridden
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics import Metric

from penstock.config.training import SupervisedTrainingConfig
from penstock.core.errors import OwnCodeError
from penstock.core.paths import Project
from penstock.data.datamodule import Batch
from penstock.models.common.base import Predictor
from penstock.training.metrics import EpochMean
from penstock.training.module import SupervisedModule

NEEDED = ("training_step", "configure_optimizers")
# Called beside or in place of Penstock's own.
HOOKS = (
    "on_fit_start",
    "on_fit_end",
    "on_train_start",
    "on_train_end",
    "on_train_epoch_start",
    "on_train_epoch_end",
    "on_validation_epoch_start",
    "on_validation_epoch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "configure_gradient_clipping",
    "lr_scheduler_step",
)
BOTH = ("on_fit_start", "on_train_epoch_end")  # Penstock has hooks of these names that must run as well
# No stage calls them.
UNUSED = ("test", "predict", "to_", "load_from_checkpoint", "print")


def is_lightning_module(network: nn.Module) -> bool:
    """Return whether a network of one's own is a whole LightningModule.

    Raises:
        OwnCodeError: It is one of the package `lightning`, whose classes the Trainer of `pytorch_lightning` refuses.
    """
    if isinstance(network, LightningModule):
        return True
    if any(f"{base.__module__}.{base.__name__}".startswith("lightning.pytorch.") for base in type(network).__mro__):
        raise OwnCodeError(f"{_place(network)}: import pytorch_lightning in place of lightning.pytorch")
    return False


class OwnTraining(SupervisedModule):
    """Delegate the training to the LightningModule behind the input layer.

    It gets batches of two tensors: the features of the input layer, and the labels as its `forward` predicts them.
    """

    def __init__(self, network: Predictor, settings: SupervisedTrainingConfig, *args: Any) -> None:  # noqa: ANN401
        super().__init__(network, settings, *args)
        _require_expectations(self.own)
        self._rows: int | None = None  # of the batch, within a step
        setattr(self.own, "log", self._log_of_own)  # noqa: B010  (a method)
        for hook in HOOKS:
            if is_overridden(hook, self.own):
                setattr(self, hook, partial(self._run_hook, hook))

    @property
    def own(self) -> LightningModule:
        """The user's module."""
        return cast(LightningModule, cast(Predictor, self.network).network)

    def setup(self, stage: str) -> None:
        self.own.trainer = self.trainer

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return self.own.configure_optimizers()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        found = self._step("training_step", batch, batch_idx)
        loss = found.get("loss") if isinstance(found, Mapping) else found
        if not isinstance(loss, Tensor) or loss.dim() or not loss.requires_grad:
            raise OwnCodeError(f"{_place(self.own)}: training_step must return the loss, a scalar with a gradient")
        self.log_mean("train/loss", loss, batch.rows)
        return batch.weighted(loss)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        if is_overridden("validation_step", self.own):
            self._step("validation_step", batch, batch_idx)

    def _step(self, name: str, batch: Batch, batch_idx: int) -> Any:  # noqa: ANN401  (whatever the user's returns)
        features = cast(Predictor, self.network).inputs(self.augmented(batch.inputs))
        self._rows = batch.rows
        found = getattr(self.own, name)((features, self.targets(batch)), batch_idx)
        self._rows = None
        return found

    def _run_hook(self, hook: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (Lightning's own)
        if hook in BOTH:
            getattr(super(), hook)(*args, **kwargs)
        return getattr(self.own, hook)(*args, **kwargs)

    def _log_of_own(self, name: str, value: Metric | Tensor | float, **options: Any) -> None:  # noqa: ANN401
        """Log what the user's module logs. Numbers of a step become the mean over all rows of the epoch.

        Such a mean is part of a checkpoint, unlike those of Lightning's `log`.
        """
        split = "train" if self.training else "val"
        key = f"{split}/{name.removeprefix(f'{split}_').removeprefix(f'{split}/')}"
        if key in ("train/loss", "val/loss", f"val/{self.score}"):
            return  # Penstock logs them
        if self._rows is None or (isinstance(value, Metric) and not self.training):
            self.log(key, value, on_step=False, on_epoch=True)
        elif isinstance(value, Metric):
            raise OwnCodeError(
                f"{_place(self.own)}: log('{name}'): log numbers in training_step; a checkpoint within an epoch does "
                "not have the state of a Metric"
            )
        else:
            self.log_mean(key, torch.as_tensor(value, dtype=torch.float32), self._rows)

    def _epoch_mean(self, name: str, shape: tuple[int, ...]) -> EpochMean:
        return super()._epoch_mean(name, shape) if name.startswith("val/") else EpochMean(shape).to(self.device)


def _require_expectations(own: LightningModule) -> None:
    """Require that a module has what a training needs, and relies on nothing that is not called.

    Raises:
        OwnCodeError: It does not.
    """
    for method in NEEDED:
        if not is_overridden(method, own):
            raise OwnCodeError(f"{_place(own)}: {type(own).__name__} has no {method}")
    if not own.automatic_optimization:
        raise OwnCodeError(f"{_place(own)}: {type(own).__name__}: manual optimization is not supported")
    known = {*NEEDED, *HOOKS, "forward", "validation_step"}
    for method in _overridden(own):
        if method not in known and not method.removeprefix("on_").startswith(UNUSED):
            raise OwnCodeError(f"{_place(own)}: {type(own).__name__}: {method} would never be called")


def _overridden(own: LightningModule) -> list[str]:
    """Return the methods of Lightning's that a module has its own of."""
    of_torch = set(dir(nn.Module)) - {"forward"}
    methods = [name for name, one in inspect.getmembers(LightningModule, inspect.isfunction) if name[0] != "_"]
    return [name for name in methods if name not in of_torch and is_overridden(name, own)]


def _place(network: nn.Module) -> str:
    """Return where the class of a module begins, relative to the project: `my_models.py:12`."""
    kind = type(network)
    try:
        path, (_, line) = Path(inspect.getfile(kind)), inspect.getsourcelines(kind)
        return f"{path.relative_to(Project.find().root).as_posix()}:{line}"
    except (OSError, TypeError, ValueError):
        return kind.__name__
