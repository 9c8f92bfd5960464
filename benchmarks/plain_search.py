"""Search with Optuna and Lightning as their documentation shows, without Penstock's sweep, Trainer and loader.

    python -m benchmarks.plain_search STORAGE STUDY MODEL TRIALS SEED

Run in the folder of a project, once for each process; the study exists. Space, networks, losses, optimizers and
schedules are those of Penstock, from params.yaml.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import optuna
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from penstock.config.loading import load_config
from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.data.datamodule import Batch
from penstock.io.processed_dataset import ArraySplit, ProcessedDataset
from penstock.orchestration.resources import use_threads
from penstock.search.samplers import RANDOM_TRIALS, make_pruner
from penstock.search.space import SearchSpace, apply
from penstock.tasks.build import build_module
from penstock.training.module import SupervisedModule
from penstock.training.optimizers import build_optimizer, build_schedule
from penstock.training.steps import PlannedSteps

SCORE = "val_acc"


class PruningCallback(Callback):
    """Report each epoch and prune, as `PyTorchLightningPruningCallback` of optuna-integration."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        self.trial.report(trainer.callback_metrics[SCORE].item(), step=trainer.current_epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


class Module(lightning.LightningModule):
    """Module as in a tutorial: it returns the loss, and logs loss and score of each epoch.

    Args:
        task: Penstock's module, for its network, loss and score.
        planned: Steps of the training.
    """

    def __init__(self, task: SupervisedModule, planned: PlannedSteps) -> None:
        super().__init__()
        self.task = task
        self.planned = planned

    def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
        return self._log("train", batch)

    def validation_step(self, batch: list[Tensor], _index: int) -> None:
        self._log("val", batch)

    def _log(self, split: str, batch: list[Tensor]) -> Tensor:
        inputs, labels = batch
        loss, score = self.task.loss_and_score(Batch(inputs, labels, len(labels), 1))
        self.log(f"{split}_loss", loss, on_step=False, on_epoch=True)
        self.log(f"{split}_acc", score, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> Any:  # noqa: ANN401  (Lightning's own)
        training = self.task.settings
        optimizer = build_optimizer(training.optimizer, self.task.network.parameters(), fused=False)
        schedule = build_schedule(training.schedule, optimizer, self.planned)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def train(project: Project, config: Config, name: str, trial: optuna.Trial) -> float:
    """Train with the settings of a trial; return the validation score after the last epoch."""
    model = config.model(name)
    processed = ProcessedDataset(project.processed(model.dataset))
    torch.manual_seed(model.training.seed)
    task = build_module(model, processed.info)
    assert isinstance(task, SupervisedModule)
    size, epochs = model.training.batch_size, model.training.epochs
    learn = DataLoader(_rows(processed.split("train")), batch_size=size, shuffle=True)
    validation = DataLoader(_rows(processed.split("validation")), batch_size=size)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        default_root_dir=project.root,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[PruningCallback(trial)],
    )
    trainer.fit(Module(task, PlannedSteps(len(learn), len(learn) * epochs, limited=False)), learn, validation)
    return trainer.callback_metrics[SCORE].item()


def _rows(split: ArraySplit) -> TensorDataset:
    return TensorDataset(*(torch.from_numpy(np.array(part)) for part in (split.inputs, split.labels)))


def main(storage: str, study: str, name: str, trials: str, seed: str) -> None:
    project = Project.find()
    config = load_config(project.params)
    use_threads(config.trainer.threads)
    space = SearchSpace.of_params(project.params, config, name)

    def objective(trial: optuna.Trial) -> float:
        return train(project, apply(config, name, space.suggest(trial)), name, trial)

    optuna.load_study(
        study_name=study,
        storage=storage,
        sampler=optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, seed=int(seed)),
        pruner=make_pruner(config.search[name].pruner, config.model(name).training.epochs),
    ).optimize(objective, n_trials=int(trials))


if __name__ == "__main__":
    main(*sys.argv[1:])
