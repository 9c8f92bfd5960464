"""One training of a search: a run in MLflow, checkpoints that any worker can continue, and its validation score."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import optuna
from pytorch_lightning import Callback, LightningModule, Trainer

from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.provenance import Provenance, training_relevant_settings
from penstock.search.claims import Claim, HeldClaims, LostClaimError
from penstock.search.samplers import report_interval
from penstock.search.storage import UNREACHABLE
from penstock.tasks.build import build_module
from penstock.tracking.logger import SpoolLogger
from penstock.tracking.metric_names import VAL_LOSS
from penstock.tracking.run import ChildRun, TrackedRun, track_model
from penstock.tracking.tags import TRIAL
from penstock.tracking.training_result import TrainingResult
from penstock.training.checkpoint_files import LAST, PREVIOUS, CheckpointFiles
from penstock.training.fit import FitResult, TrainingSetup, fit


class ClaimCallback(Callback):
    """End a training whose claim is lost, report epochs to the study, and prune.

    Args:
        held: The claims of the worker.
        score: Name of the validation metric.
        trial: The trial; None for a training that is none, which is not pruned.
    """

    def __init__(self, held: HeldClaims, score: str, trial: optuna.Trial | None) -> None:
        self.held = held
        self.score = score
        self.trial = trial

    def on_train_batch_end(self, *_arguments: object) -> None:
        self.held.raise_if_lost()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise `LostClaimError` or `TrialPruned` before the epoch is logged or a checkpoint is written."""
        self.held.raise_if_lost()
        if self.trial is None or (trainer.current_epoch + 1) % report_interval(trainer.max_epochs or 1):
            return
        with suppress(*UNREACHABLE):
            self.held.require()
            try:
                self.trial.report(float(trainer.callback_metrics[self.score]), step=trainer.current_epoch + 1)
            except optuna.exceptions.UpdateFinishedTrialError:
                raise LostClaimError from None
            if self.trial.should_prune():
                raise optuna.TrialPruned


@dataclass(frozen=True)
class SearchTraining:
    """A training of a search."""

    project: Project
    config: Config
    """Settings in which the model has those of the trial."""
    provenance: Provenance
    child: ChildRun
    """The parent of its run."""

    @property
    def _home(self) -> Path:
        return self.project.checkpoints("search", self.provenance.model) / self.provenance.key

    def run(self, held: HeldClaims, claim: Claim, score: str, trial: optuna.Trial | None = None) -> TrainingResult:
        """Train from the last checkpoint of any worker, and return the score after the best epoch.

        Args:
            held: The claims of the worker.
            claim: That of the training.
            score: Name of the validation metric, such as `val/accuracy`.
            trial: The trial that each epoch is reported to; None for a training that is none.

        Raises:
            LostClaimError: Another worker has taken the training.
            TrialPruned: The pruner has stopped the trial; its run is complete.
            PenstockError: The settings do not work.
            Interrupted: A signal came; the checkpoint has been written.
        """
        files = self._checkpoints(claim)
        fitted = None
        with track_model(self.project, self.config, self.provenance, self.child) as run:
            self._describe(run)
            callback = ClaimCallback(held, score, trial)
            with suppress(optuna.TrialPruned):
                fitted = self._fit(run, files, [callback])
            if fitted is None:
                run.set_tags({TRIAL: "pruned"})
            else:
                run.log_metrics(_metrics(fitted))
                run.set_tags({"device": fitted.device} | ({TRIAL: "complete"} if trial else {}))
        if fitted is None:
            raise optuna.TrialPruned
        metrics, epoch = fitted.best.metrics, fitted.best.epoch
        return TrainingResult(metrics[score], metrics.get(VAL_LOSS), epoch, len(fitted.epochs), fitted.seconds)

    def _fit(self, run: TrackedRun, files: CheckpointFiles, callbacks: Sequence[Callback]) -> FitResult:
        model = self.config.model(self.provenance.model)
        processed = ProcessedDataset(self.project.processed(model.dataset))
        return fit(
            TrainingSetup(build_module, model, self.config.trainer, processed.info),
            processed.split("train"),
            processed.split("validation"),
            checkpoints=files,
            logger=SpoolLogger(run),
            callbacks=callbacks,
        )

    def _describe(self, run: TrackedRun) -> None:
        name = self.provenance.model
        model = self.config.model(name)
        processed = ProcessedDataset(self.project.processed(model.dataset))
        run.log_parameters(training_relevant_settings(self.config, name))
        run.log_dataset(processed.info, self.provenance, self.project.shown(processed.folder))

    def _checkpoints(self, claim: Claim) -> CheckpointFiles:
        """Return the checkpoint files of this claim, which begin as copies of those of the claim before it.

        A worker that was paused, and has lost its claim, may still write a checkpoint: into a folder of its own.
        """
        own = self._home / f"{claim.token:06d}"
        earlier = [folder for folder in sorted(self._home.glob("*")) if folder.name < own.name]
        with_checkpoint = [folder for folder in earlier if (folder / LAST).is_file()]
        if with_checkpoint and not own.exists():
            own.mkdir(parents=True)
            for name in (PREVIOUS, LAST):
                with suppress(FileNotFoundError):
                    shutil.copy2(with_checkpoint[-1] / name, own / name)
        return CheckpointFiles(own, self.config.checkpoints)

    @property
    def has_checkpoint(self) -> bool:
        """Whether any worker has written a checkpoint."""
        return any(self._home.glob(f"*/{LAST}"))

    def remove_checkpoints(self) -> None:
        """Remove the checkpoints of all claims, after the result is stored."""
        shutil.rmtree(self._home, ignore_errors=True)

    def remove_own_checkpoints(self, claim: Claim) -> None:
        """Remove the checkpoints of one claim, which was lost."""
        shutil.rmtree(self._home / f"{claim.token:06d}", ignore_errors=True)


def _metrics(fitted: FitResult) -> dict[str, float]:
    return {
        "model/parameters": fitted.parameters,
        "model/epochs": len(fitted.epochs),
        "model/best_epoch": fitted.best.epoch,
        "time/train_seconds": fitted.seconds,
        "time/samples_per_second": fitted.samples_per_second,
    }
