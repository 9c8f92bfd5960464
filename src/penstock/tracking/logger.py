"""Log metrics of Lightning to the spool."""

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

    It never waits for MLflow and never fails because of it. It can be combined with other loggers.

    Metrics of an epoch use the number of the epoch as their step, counted from 1. Lightning's step is kept for metrics
    that are logged per step: those without an epoch (`LearningRateMonitor`), those that end in `_step`, and those that
    are logged again in the same epoch.

    Args:
        run: The run to log to.

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
        """Name of the MLflow experiment, which is the name of the dataset."""
        return self._run.experiment

    @property
    def version(self) -> str:
        """Key of the run: the hash of model, data, parameters and code."""
        return self._run.key

    @property
    @rank_zero_experiment
    def experiment(self) -> TrackedRun:
        """The run, for methods that a Lightning logger lacks: `logger.experiment.log_file(...)`."""
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
