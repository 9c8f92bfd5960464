"""The spool as a Lightning logger."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from penstock.tracking.run import TrackedRun


class SpoolLogger(Logger):
    """Lightning logger that writes metrics to the spool, from which they are uploaded to MLflow.

    It never waits for MLflow and never fails because of it. Other loggers may stand beside it.

    Metrics of an epoch have the number of the epoch as their step, counted from 1. Lightning's own step is kept for
    metrics that are logged by step: those without an epoch (`LearningRateMonitor`), those that end in `_step`, and
    those that come again in the same epoch.

    Example:
        >>> with track_model(project, config, provenance) as run:
        ...     trainer = Trainer(logger=[SpoolLogger(run), CSVLogger("logs")])
        ...     trainer.fit(module, datamodule)
    """

    def __init__(self, run: TrackedRun) -> None:
        super().__init__()
        self._run = run
        self._last_epoch: dict[str, int] = {}

    @property
    def name(self) -> str:
        """MLflow's experiment, which has the name of the dataset."""
        return self._run.experiment

    @property
    def version(self) -> str:
        """The key of the run: model, data, parameters and code."""
        return self._run.key

    @property
    @rank_zero_experiment
    def experiment(self) -> TrackedRun:
        """The run, for what this logger has no method for: `logger.experiment.log_file(...)`."""
        return self._run

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_args: object, **_keywords: object) -> None:
        self._run.log_parameters(vars(params) if isinstance(params, Namespace) else params)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        epoch = metrics.get("epoch")
        by_epoch, by_step = {}, {}
        for name, value in metrics.items():
            if name == "epoch":
                continue
            if epoch is None or name.endswith("_step") or self._last_epoch.get(name) == int(epoch):
                by_step[name] = value
            else:
                by_epoch[name] = value
                self._last_epoch[name] = int(epoch)
        if by_step:
            self._run.log_metrics(by_step, step=step or 0)
        if by_epoch and epoch is not None:
            self._run.log_metrics(by_epoch, step=int(epoch) + 1)
