"""What every training has in common: a network, figures per epoch, and how the kept weights are chosen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, distributed
from torch.optim import Optimizer

from penstock.config.training import TrainingConfig
from penstock.data.datamodule import Batch, rank_and_world_size
from penstock.models.common.base import ExportableModel
from penstock.training.optimizers import build_optimizer, build_schedule


class EpochMean:
    """Sums over an epoch and all processes, kept on the device so that no step waits for a number to reach Python.

    Plain sums, not torchmetrics: its two updates take longer than the whole step of a small network.
    """

    STEPS_BETWEEN_SUMS = 256  # one sum of many steps takes as long as that of one

    def __init__(self) -> None:
        self._sums: Tensor | None = None
        self._means: list[Tensor] = []
        self._rows: list[int] = []

    def add(self, rows: int, *means: Tensor) -> None:
        """Means over the rows of one batch, each a scalar."""
        self._means += [mean.detach() for mean in means]
        self._rows.append(rows)
        if len(self._rows) == self.STEPS_BETWEEN_SUMS:
            self._sum_up()

    def means(self) -> list[float]:
        """Of all rows since the last call, in the order they were added; it begins anew."""
        self._sum_up()
        assert self._sums is not None, "an epoch has at least one batch"
        _, processes = rank_and_world_size()
        if processes > 1:
            distributed.all_reduce(self._sums)
        *sums, rows = self._sums.tolist()
        self._sums = None
        return [total / rows for total in sums]

    def state(self) -> dict[str, Tensor]:
        """For `resume`: the sums so far, and the steps behind them, [steps, rows and means]."""
        sums = torch.empty(0) if self._sums is None else self._sums
        return {"sums": sums, "steps": self._steps() if self._rows else torch.empty(0)}

    def resume(self, state: Mapping[str, Tensor]) -> None:
        sums, steps = state["sums"], state["steps"]
        self._sums = sums if len(sums) else None
        self._rows = [int(rows) for rows in steps[:, 0]] if len(steps) else []
        self._means = [mean for step in steps for mean in step[1:]]

    def _steps(self) -> Tensor:
        means = torch.stack(self._means).view(len(self._rows), -1)
        exact = torch.float32 if means.device.type == "mps" else torch.float64  # which Apple's chips do not have
        rows = torch.tensor(self._rows, dtype=exact, device=means.device)
        return torch.cat([rows[:, None], means.to(exact)], dim=1)

    def _sum_up(self) -> None:
        if not self._rows:
            return
        steps = self._steps()
        rows = steps[:, 0]
        sums = torch.cat([rows @ steps[:, 1:], rows.sum(0, keepdim=True)])
        self._sums = sums if self._sums is None else self._sums + sums
        self._means, self._rows = [], []


class BaseModule(LightningModule):
    """A network in training; `Recorder` asks it for the figures of each epoch.

    selected_by: the validation metric whose lowest value chooses the kept weights; None keeps the last ones.
    score: the figure that people judge by, without the part of the data in front: validation_<score>; empty for none.
    clip: largest norm of the whole gradient.
    parts: how many optimisers there are, each for weights of its own.
    steps_of_epoch: what `fit` sets for the schedules. Lightning's estimate would open the batches of a training that
        goes on from a checkpoint before it has read where in the epoch that one is.
    step_by_step: whether Lightning must have its say in every step, as several processes want. Its forty calls take
        longer than a step of a small network, so otherwise they come once for many.
    after_step: called after each step, whosever it is.
    is_awaited: asked then: whether a callback waits for the end of Lightning's step.
    """

    SECONDS_OF_CALL = 0.05  # of Lightning, if not step by step

    selected_by: ClassVar[str | None] = None
    score: ClassVar[str] = ""
    clip: float | None = None
    parts: ClassVar[int] = 1
    steps_of_epoch: int
    step_by_step = True
    after_step: Callable[[], None] = staticmethod(lambda: None)
    is_awaited: Callable[[], bool] = staticmethod(lambda: False)

    def __init__(self, network: ExportableModel) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self._train_totals = EpochMean()
        self._validation_totals = EpochMean()

    @property
    def is_mixed(self) -> bool:
        """Whether Lightning scales losses and gradients, and an optimiser must not be one kernel: that would unscale
        gradients by itself, and Lightning could not bound their norm."""
        return self.trainer.precision != "32-true"

    def learn(self, batch: Batch) -> None:
        """One step: losses, gradients, and an `update` of each optimiser."""
        raise NotImplementedError

    def training_step(self, dataloader_iter: Iterator[tuple[Batch, int, int]]) -> None:
        """As many steps as there is time for; by the argument's name Lightning knows that it takes the batches."""
        end = time.perf_counter() + self.SECONDS_OF_CALL
        for batch, _, _ in dataloader_iter:
            self.learn(self.transfer_batch_to_device(batch, self.device, 0))
            for of_optimizer in self.trainer.lr_scheduler_configs:
                of_optimizer.scheduler.step()  # type: ignore[call-arg]  # none of ours follows a metric
            self.after_step()
            if self.step_by_step or self.is_awaited() or time.perf_counter() >= end:
                break

    def update(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        """Moves the weights of one optimiser down the gradient of a loss."""
        optimizer.zero_grad()
        if self.step_by_step or self.is_mixed:
            self.manual_backward(loss)
            optimizer.step()
        else:
            torch.autograd.backward(loss)
            self.on_before_optimizer_step(optimizer.optimizer)
            optimizer.optimizer.step()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        # Where precision is mixed, the gradients have their own size again.
        if self.clip:
            self.clip_gradients(optimizer, self.clip)

    def train_metrics(self) -> dict[str, float]:
        """Over the epoch that has ended, in training mode; names begin with train_."""
        raise NotImplementedError

    def validation_metrics(self) -> dict[str, float]:
        """Over the validation that has ended; names begin with validation_."""
        raise NotImplementedError

    def artifacts(self) -> Mapping[str, Tensor]:
        """What people want to see of the training besides its figures."""
        return {}

    def rank_state(self) -> dict[str, Tensor]:
        """What a checkpoint must have of each process by itself, beside weights and optimisers."""
        return self._train_totals.state()

    def load_rank_state(self, share: Mapping[str, Tensor]) -> None:
        """Goes on from what `rank_state` gave."""
        self._train_totals.resume({name: tensor.to(self.device) for name, tensor in share.items()})

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401
        # Lightning sets this one some fifty times a step, which torch would search for parameters each time.
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def on_fit_start(self) -> None:
        # All processes begin with the same weights, and each draws its own masks and noise.
        if self.trainer.global_rank:
            torch.manual_seed(torch.initial_seed() + self.trainer.global_rank)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Without the search through nested containers that Lightning makes of it."""
        if device.type == "cpu":
            return batch
        return batch._replace(
            inputs=batch.inputs.to(device, non_blocking=True), labels=batch.labels.to(device, non_blocking=True)
        )


class SupervisedModule(BaseModule):
    """Training against a right answer: loss, penalties on the weights, one optimiser and its schedule.

    A subclass says what the loss of a batch is, and the figure beside it that people judge by.
    """

    selected_by = "validation_loss"

    def __init__(self, network: ExportableModel, settings: TrainingConfig) -> None:
        super().__init__(network)
        self.settings = settings
        self.clip = settings.gradient_clip_norm

    def loss_and_score(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean loss and mean score over the rows of a batch."""
        raise NotImplementedError

    def objective(self, batch: Batch) -> Tensor:
        """What the optimiser lowers: the loss, weighted for several processes, and the penalties."""
        loss, score = self.loss_and_score(batch)
        self._train_totals.add(batch.rows, loss, score)
        loss = batch.weighted(loss)
        return loss + self.penalty() if self.settings.l1 or self.settings.l2 else loss

    def learn(self, batch: Batch) -> None:
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        self.update(optimizer, self.objective(batch))

    def validation_step(self, batch: Batch, _index: int) -> None:
        self._validation_totals.add(batch.rows, *self.loss_and_score(batch))

    def penalty(self) -> Tensor:
        """l1 x sum |w| + l2 x sum w^2 over all weights; biases and scales, which are vectors, go free."""
        weights = [parameter for parameter in self.network.parameters() if parameter.dim() > 1]
        total = weights[0].new_zeros(())
        for weight in weights:
            if self.settings.l1:
                total = total + self.settings.l1 * weight.abs().sum()
            if self.settings.l2:
                total = total + self.settings.l2 * weight.square().sum()
        return total

    def train_metrics(self) -> dict[str, float]:
        loss, score = self._train_totals.means()
        return {"train_loss": loss, f"train_{self.score}": score}

    def validation_metrics(self) -> dict[str, float]:
        loss, score = self._validation_totals.means()
        return {"validation_loss": loss, f"validation_{self.score}": score}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = build_optimizer(self.settings.optimizer, self.network.parameters(), fused=not self.is_mixed)
        schedule = build_schedule(
            self.settings.schedule, optimizer, steps_of_epoch=self.steps_of_epoch, epochs=self.settings.epochs
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
