"""Train one model on one split, from start to end."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import ParallelStrategy
from torch import nn

from penstock.config.models import ModelConfig
from penstock.config.networks import ModuleConfig
from penstock.config.params import TrainerConfig
from penstock.core.console import output
from penstock.core.distributed import not_by_srun
from penstock.core.errors import ConfigError, WrongSettingError
from penstock.core.own_code import own_errors
from penstock.core.paths import Project
from penstock.data.datamodule import ArrayDataModule
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.fitted import FittedLayer
from penstock.models.common.inputs import WordEmbedding
from penstock.training.checkpoint_files import CheckpointFiles, StreamingCheckpointIO, is_finished
from penstock.training.ema import EMA
from penstock.training.history import Epoch, HistoryCallback
from penstock.training.module import BaseModule
from penstock.training.preemption import PreemptionCheckpoint

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)

# Makes the LightningModule of a model for a dataset: `penstock.tasks.build.build_module`.
BuildModule = Callable[[ModelConfig, DatasetInfo], BaseModule]


@dataclass(frozen=True)
class TrainingSetup:
    """What trainings of one model have in common, whichever rows they take."""

    build_module: BuildModule
    model: ModelConfig
    """The model's entry in params.yaml."""
    trainer: TrainerConfig
    """`trainer` of params.yaml."""
    info: DatasetInfo
    validate_every: int = 1
    """Epochs between two validations."""

    def changed(self, **training: object) -> TrainingSetup:
        """The same with other settings under `training`."""
        model = self.model.model_copy(update={"training": self.model.training.model_copy(update=training)})
        return replace(self, model=model)


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """A finished training."""

    weights: dict[str, torch.Tensor]
    """State of the network at `best`, on the CPU."""
    shown: Mapping[str, torch.Tensor]
    """Tensors to show of the training, by name."""
    score: str
    """The metric that people compare models by, without `train/` or `val/`."""
    parameters: int
    epochs: list[Epoch]
    best: Epoch
    """The epoch of the lowest validation loss; the last one where nothing is selected."""
    seconds: float
    """Of the epochs, without imports and loading."""
    samples_per_second: float
    device: str

    def report(self) -> dict[str, Any]:
        """training.json without folds: nothing in it changes from one run to the next."""
        return {
            "parameters": self.parameters,
            "epochs": len(self.epochs),
            "best_epoch": self.best.epoch,
            "train": self.best.split_metrics("train"),
            "val": self.best.split_metrics("val"),
        }


def fit(
    setup: TrainingSetup,
    train: ArraySplit,
    validation: ArraySplit,
    on_epoch: Callable[[Epoch, int], None] = lambda epoch, epochs: None,
    *,
    checkpoints: CheckpointFiles | None = None,
    logger: Logger | None = None,
    callbacks: Sequence[Callback] = (),
) -> FitResult:
    """Train a model on one split, from its last checkpoint if there is one.

    Args:
        setup: The model, its dataset and the Trainer's settings.
        train: Training rows.
        validation: Rows that select the best epoch.
        on_epoch: Called after each epoch with its metrics and the largest number of epochs; not for epochs before the
            checkpoint.
        checkpoints: Where checkpoints are; None keeps none.
        logger: Any of Lightning's loggers.
        callbacks: More of Lightning's callbacks.

    Raises:
        OwnCodeError: A network of one's own raised an error; its line is named.
        TrainingError: The loss is no longer a finite number, or nodes do not see the same checkpoints.
        Interrupted: A signal came; the checkpoint has been written.
        WrongSettingError: Network, loss, schedule and dataset do not go together.
        ConfigError: Lightning refuses the settings, or this machine has no such accelerator.
    """
    training = setup.model.training
    lightning.seed_everything(training.seed, verbose=False)
    module = _prepare_module(setup, train)
    history = HistoryCallback(getattr(training, "early_stopping", None), on_epoch)
    preemption = PreemptionCheckpoint(checkpoints)
    trainer = make_trainer(
        _strategy_for(module, setup.trainer),
        max_epochs=training.epochs,
        callbacks=[history, *_make_ema(training.ema_decay), *callbacks, preemption],
        logger=logger or False,
        check_val_every_n_epoch=setup.validate_every,
    )
    data = ArrayDataModule(
        train=train,
        validation=validation,
        batch_size=training.batch_size,
        seed=training.seed,
        min_rows=_min_rows(module, min(training.batch_size, len(train)), trainer.world_size),
    )
    with own_errors(Project.find().root) if isinstance(setup.model.network, ModuleConfig) else nullcontext():
        _train_or_restore(trainer, module, data, history, preemption)
    return _make_result(trainer, module, history, preemption.seconds, len(train))


def score_split(setup: TrainingSetup, weights: Mapping[str, torch.Tensor], split: ArraySplit) -> dict[str, float]:
    """Compute the score of trained weights on a split, by its name."""
    module = setup.build_module(setup.model, setup.info)
    module.network.load_state_dict(weights)
    trainer = make_trainer(setup.trainer.without_limits(), logger=False, enable_checkpointing=False)
    (metrics,) = trainer.validate(module, datamodule=ArrayDataModule(validation=split), verbose=False)
    return {module.score: round(metrics[f"val/{module.score}"], 6)}


def make_trainer(settings: TrainerConfig, **options: Any) -> lightning.Trainer:  # noqa: ANN401  (Lightning's own)
    """Make Lightning's Trainer from `trainer` of params.yaml and further arguments of its own.

    Raises:
        ConfigError: Lightning refuses the settings.
    """
    _silence_lightning()
    _leave_new_tensors_unfilled()
    try:
        trainer = lightning.Trainer(
            **settings.lightning_arguments(),
            deterministic="warn",
            use_distributed_sampler=False,  # ShardedBatchSampler divides every batch among the processes
            enable_progress_bar=output.is_terminal,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            plugins=[StreamingCheckpointIO()],
            **options,
        )
        _validate_launch(trainer)
    except KeyError as error:
        if str(error.args[0]).startswith("SLURM_"):
            raise ConfigError(not_by_srun(error.args[0])) from None
        raise
    except (MisconfigurationException, ValueError) as error:
        raise ConfigError(f"params.yaml: trainer: {error}") from None
    return trainer


def _validate_launch(trainer: lightning.Trainer) -> None:
    """Compare the devices with the tasks of SLURM now; Lightning does so only when the training begins."""
    strategy = trainer.strategy
    if isinstance(strategy, ParallelStrategy) and strategy.cluster_environment:
        strategy.cluster_environment.validate_settings(trainer.num_devices, trainer.num_nodes)


def _prepare_module(setup: TrainingSetup, train: ArraySplit) -> BaseModule:
    """Build the module, and fit its layers and embeddings to the training rows."""
    module = setup.build_module(setup.model, setup.info)
    # Convolutions on CPUs take three quarters of the time with channels last; nothing else has four dimensions.
    module.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types forget it
    _fit_layers(module, train)
    _init_embeddings(module.network, train)
    return module


def _min_rows(module: BaseModule, batch_rows: int, processes: int) -> int:
    """Return the fewest rows of a process in a batch: torch refuses to normalize a batch of one row.

    Raises:
        WrongSettingError: Full batches have fewer rows for each process.
    """
    if not any(isinstance(layer, BATCH_NORMS) for layer in module.modules()):
        return 0
    if batch_rows < 2 * processes:
        raise WrongSettingError(
            "training.batch_size",
            f"normalization: batch needs 2 rows in each process; a batch has {batch_rows} for {processes}; use at "
            f"least {2 * processes}, or normalization: layer",
        )
    return 2


def _make_ema(decay: float | None) -> list[Callback]:
    return [EMA(decay)] if decay else []


def _train_or_restore(
    trainer: lightning.Trainer,
    module: BaseModule,
    data: ArrayDataModule,
    history: HistoryCallback,
    preemption: PreemptionCheckpoint,
) -> None:
    """Train from the last checkpoint, or only load it if its training is finished."""
    files = preemption.files
    path, saved = (files and files.latest(trainer.world_size)) or (None, {})
    if saved and is_finished(saved):
        _restore(module, [history, preemption], saved)
    else:
        _run(trainer, module, data, path)
        preemption.raise_pending_signal()


def _make_result(
    trainer: lightning.Trainer, module: BaseModule, history: HistoryCallback, seconds: float, rows: int
) -> FitResult:
    return FitResult(
        weights=history.best_weights,
        shown=module.artifacts(),
        score=module.score,
        parameters=module.network.count_parameters(),
        epochs=history.epochs,
        best=history.best,
        seconds=seconds,
        samples_per_second=rows * len(history.epochs) / seconds,
        device=str(trainer.strategy.root_device),
    )


def _strategy_for(module: BaseModule, settings: TrainerConfig) -> TrainerConfig:
    """Each of several optimizers has gradients for its own part only, for which plain DDP would wait in vain."""
    if (
        settings.strategy == "auto"
        and module.num_optimizers > 1
        and make_trainer(settings, logger=False).world_size > 1
    ):
        return settings.model_copy(update={"strategy": "ddp_find_unused_parameters_true"})
    return settings


def _run(trainer: lightning.Trainer, module: BaseModule, data: ArrayDataModule, path: Path | None) -> None:
    try:
        trainer.fit(module, datamodule=data, ckpt_path=path, weights_only=True)
    except MisconfigurationException as error:
        raise ConfigError(f"params.yaml: trainer: {error}") from None


def _restore(module: BaseModule, callbacks: list[Callback], saved: dict[str, Any]) -> None:
    """Load the result of a finished training from its last checkpoint; only its stage was interrupted."""
    module.on_load_checkpoint(saved)
    for callback in callbacks:
        callback.load_state_dict(saved["callbacks"][callback.state_key])


def _fit_layers(module: BaseModule, train: ArraySplit) -> None:
    for layer in module.modules():
        if isinstance(layer, FittedLayer):
            layer.fit(torch.from_numpy(train.inputs), torch.from_numpy(train.labels))


def _init_embeddings(network: nn.Module, train: ArraySplit) -> None:
    for layer in network.modules():
        if isinstance(layer, WordEmbedding) and layer.settings.init == "ppmi":
            from penstock.models.common.ppmi_embeddings import ppmi_embeddings  # brings scikit-learn, a second

            ids = layer.ids(torch.from_numpy(train.inputs)).numpy()
            vectors = ppmi_embeddings(ids, layer.settings.vocab_size, layer.settings.embedding_dim)
            with torch.no_grad():
                layer.embedding.weight.copy_(torch.from_numpy(vectors))


def _silence_lightning() -> None:
    """Hide start-up lines, which repeat the stage's own, and warnings that do not apply to these loaders."""
    for library in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)
    warnings.filterwarnings(
        "ignore", message=".*does not have many workers.*|.*treespec, LeafSpec.*|.*logging interval.*"
    )


def _leave_new_tensors_unfilled() -> None:
    """Disable the filling of new tensors, which deterministic algorithms do to expose reads of unwritten memory."""
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
