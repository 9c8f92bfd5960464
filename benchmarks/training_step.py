"""A training step of each documented model in our Trainer, against the same network without it.

All see the same rows in memory, in batches of the same size, with the same loss, optimiser, clipping and schedule.
The bare loop has the memory format and the fused optimiser of ours, so that it shows what our Trainer costs;
Lightning with a `DataLoader` is as people write it, without them. Ours has everything on: figures per epoch, the best
weights kept, the callbacks of `fit`. An epoch is timed as a whole, without the first, from the end of the one before,
validation on a single batch included.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.pairs import Ratio, times_in_turns
from benchmarks.results import Row
from penstock.config import Config
from penstock.config.models import Adversarial, SupervisedModel
from penstock.data.batches import Batch
from penstock.data.processed import Processed, Split
from penstock.project import Project
from penstock.training.checkpoints import CheckpointFiles
from penstock.training.fit import build_task, fit
from penstock.training.memory import keep_freed_memory
from penstock.training.optimizers import build_optimizer, build_schedule
from penstock.training.task import Supervised

PAIRS = 5
SECONDS = 1.5  # that an epoch should take, about
MOST_STEPS = 1000
BARE, DATALOADER = "the same network in a bare torch loop", "Lightning with DataLoader(TensorDataset, shuffle=True)"
Stepper = Callable[[Supervised], tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]]
IN_MILLISECONDS = "iris_mlp"  # whose steps are so short that a share of them says nothing


def measure(project: Project, config: Config) -> Iterator[Row]:
    keep_freed_memory()
    for name, model in config.models.items():
        if isinstance(model, Adversarial):
            continue  # two networks and two optimisers are no loop that people write down alike
        processed = Processed(project.processed(model.dataset))
        rows = processed.split("train")
        steps = _steps(model, config, processed, rows)
        learn = rows[np.arange(steps * model.training.batch_size) % len(rows)]
        contest = _Contest(model, config, processed, learn)
        times = times_in_turns(PAIRS, contest.ours, contest.bare, contest.dataloader)
        if name == IN_MILLISECONDS:
            more = Ratio.of([(ours - bare) / steps * 1000 for ours, bare, _ in times])
            yield Row(f"milliseconds that a step of {name} takes longer", BARE, more.value, more.spread, 0.35, True)
        else:
            speed = Ratio.of([bare / ours for ours, bare, _ in times])
            yield Row(f"speed of a step of {name}", BARE, speed.value, speed.spread, 0.95)
        speed = Ratio.of([theirs / ours for ours, _, theirs in times])
        yield Row(f"speed of a step of {name}", DATALOADER, speed.value, speed.spread, 2 if "_cnn" in name else 1)


class _Contest:
    """One epoch of the same training in three ways; each returns its seconds."""

    def __init__(self, model: SupervisedModel, config: Config, processed: Processed, learn: Split) -> None:
        self.trainer = config.trainer.model_copy(update={"accelerator": "cpu"})
        self.settings = config.checkpoints
        self.scratch = TemporaryDirectory()
        self.numbers = count()
        self.model = model.model_copy(update={"training": model.training.model_copy(update={"epochs": 2})})
        self.manifest = processed.manifest
        self.learn = learn
        self.validation = processed.split("validation")[np.arange(16)]
        self.inputs, self.labels = (torch.from_numpy(np.array(part)) for part in (learn.inputs, learn.labels))

    def ours(self) -> float:
        ends: list[float] = []
        fit(
            self.model,
            self.trainer,
            self.manifest,
            self.learn,
            self.validation,
            lambda epoch, epochs: ends.append(time.perf_counter()),
            checkpoints=CheckpointFiles(Path(self.scratch.name) / f"{next(self.numbers)}", self.settings),
        )
        return ends[-1] - ends[-2]

    def bare(self) -> float:
        task = self._task()
        task.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types forget it
        optimizer, schedule = self._stepper(task, fused=True)
        task.train()
        self._bare_epoch(task, optimizer, schedule)
        begun = time.perf_counter()
        self._bare_epoch(task, optimizer, schedule)
        return time.perf_counter() - begun

    def _bare_epoch(
        self, task: Supervised, optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler
    ) -> None:
        order = torch.randperm(len(self.labels))
        for rows in torch.split(order, self.model.training.batch_size):
            loss, _ = task.loss_and_score(Batch(self.inputs[rows], self.labels[rows], len(rows), 1))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            if task.clip:
                clip_grad_norm_(task.network.parameters(), task.clip)
            optimizer.step()
            schedule.step()

    def dataloader(self) -> float:
        loader = DataLoader(
            TensorDataset(self.inputs, self.labels), batch_size=self.model.training.batch_size, shuffle=True
        )
        begun: list[float] = []
        ended: list[float] = []
        module = _AsPeopleWrite(self._task(), self._stepper, begun, ended)
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=2,
            gradient_clip_val=module.task.clip,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, loader)
        return ended[-1] - begun[-1]

    def _task(self) -> Supervised:
        torch.manual_seed(self.model.training.seed)
        task = build_task(self.model, self.manifest)
        assert isinstance(task, Supervised)
        return task

    def _stepper(
        self, task: Supervised, *, fused: bool = False
    ) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        optimizer = build_optimizer(self.model.training.optimizer, task.network.parameters(), fused=fused)
        steps = -(-len(self.labels) // self.model.training.batch_size)
        return optimizer, build_schedule(self.model.training.schedule, optimizer, steps_of_epoch=steps, epochs=2)


class _AsPeopleWrite(lightning.LightningModule):
    """What a tutorial has: the loss, logged, and nothing else."""

    def __init__(self, task: Supervised, stepper: Stepper, begun: list[float], ended: list[float]) -> None:
        super().__init__()
        self.task = task
        self.stepper = stepper
        self.begun, self.ended = begun, ended

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        inputs, labels = batch
        loss, score = self.task.loss_and_score(Batch(inputs, labels, len(labels), 1))
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.log("train_score", score, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> Any:  # noqa: ANN401  (Lightning's own)
        optimizer, schedule = self.stepper(self.task)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        self.begun.append(time.perf_counter())

    def on_train_epoch_end(self) -> None:
        self.ended.append(time.perf_counter())


def _steps(model: SupervisedModel, config: Config, processed: Processed, rows: Split) -> int:
    """As many as take about `SECONDS`; where there are fewer rows than that, they come again."""
    size = model.training.batch_size
    contest = _Contest(model, config, processed, rows[np.arange(3 * size) % len(rows)])
    contest.bare()
    seconds = contest.bare() / 3
    return max(4, min(int(SECONDS / seconds), MOST_STEPS))
