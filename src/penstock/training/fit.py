"""Training from start to end: one model on one split."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytorch_lightning as lightning
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.profilers import PassThroughProfiler
from torch import nn

from penstock.config.models import ModelConfig
from penstock.config.params import TrainerConfig
from penstock.core.console import output
from penstock.core.errors import ConfigError
from penstock.data.datamodule import Batches, EpochSampler
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.inputs import FittedLayer, WordEmbedding
from penstock.training.checkpoints import AtomicCheckpointIO, CheckpointFiles, PreemptionCheckpoint, is_finished
from penstock.training.ema import EMA
from penstock.training.history import Epoch, HistoryCallback
from penstock.training.module import BaseModule
from penstock.training.progress import BatchProgress

EVALUATION_BATCH = 512


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """A finished training.

    weights: state of the network at `best`, the epoch of the lowest validation loss (the last one where nothing is
        selected), on the CPU.
    shown: what people want to see of it besides, by name.
    score: the figure that people judge by, as `Epoch.metrics` has it behind train_ and validation_.
    seconds: of the epochs, without imports and loading.
    """

    weights: dict[str, torch.Tensor]
    shown: Mapping[str, torch.Tensor]
    score: str
    parameters: int
    epochs: list[Epoch]
    best: Epoch
    seconds: float
    samples_per_second: float
    device: str

    def report(self) -> dict[str, Any]:
        """training.json without folds: nothing in it changes from one run to the next."""
        return {
            "parameters": self.parameters,
            "epochs": len(self.epochs),
            "best_epoch": self.best.epoch,
            "train": self.best.split_metrics("train"),
            "validation": self.best.split_metrics("validation"),
        }


def build_module(model: ModelConfig, info: DatasetInfo) -> BaseModule:
    """The training that `task` names, with a fresh network.

    Raises:
        WrongSettingError: network, loss and dataset do not go together.
    """
    task: BaseModule = import_module(f"penstock.tasks.{model.task}.module").build(model, info)
    return task


def fit(
    model: ModelConfig,
    settings: TrainerConfig,
    info: DatasetInfo,
    train: ArraySplit,
    validation: ArraySplit,
    on_epoch: Callable[[Epoch, int], None] = lambda epoch, epochs: None,
    *,
    checkpoints: CheckpointFiles | None = None,
) -> FitResult:
    """Trains `model` on one split, from its last checkpoint if there is one.

    Args:
        on_epoch: called after each epoch with its figures and the largest number of epochs; not for those before the
            checkpoint.
        checkpoints: None keeps none.

    Raises:
        TrainingError: the loss is no longer a finite number, or nodes do not see the same checkpoints.
        Interrupted: a signal came; the checkpoint has been written.
        WrongSettingError: network, loss, schedule and dataset do not go together.
        ConfigError: this machine has no such accelerator.
    """
    lightning.seed_everything(model.training.seed, verbose=False)
    task = build_module(model, info)
    # Convolutions on CPUs take three quarters of the time with channels last; nothing else has four dimensions.
    task.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types forget it
    _measure(task.network, train)
    _begin_words(task.network, train)
    recorder = HistoryCallback(getattr(model.training, "early_stopping", None), on_epoch)
    checkpointer = PreemptionCheckpoint(checkpoints)
    callbacks: list[Callback] = [recorder, checkpointer]
    if output.is_terminal:
        callbacks.append(BatchProgress())
    if model.training.ema_decay:
        callbacks.append(EMA(model.training.ema_decay))
    options = {"max_epochs": model.training.epochs, "callbacks": callbacks}
    trainer = _trainer(settings, **options)
    task.step_by_step = trainer.world_size > 1
    if trainer.world_size > 1 and settings.strategy == "auto" and task.parts > 1:
        # Each of several optimisers has gradients for its own part only, which plain DDP would wait for in vain.
        patient = settings.model_copy(update={"strategy": "ddp_find_unused_parameters_true"})
        trainer = _trainer(patient, **options)
    device = _memory_for(trainer.strategy.root_device, train, validation)
    order = EpochSampler(len(train), model.training.seed)
    batches = Batches(train, model.training.batch_size, order, device=device)
    task.steps_of_epoch = len(batches)
    path, checkpoint = (checkpoints and checkpoints.latest(trainer.world_size)) or (None, {})
    if checkpoint and is_finished(checkpoint):
        task.on_load_checkpoint(checkpoint)
        for callback in (recorder, checkpointer):
            callback.load_state_dict(checkpoint["callbacks"][callback.state_key])
    else:
        trainer.fit(
            task,
            batches,
            Batches(validation, EVALUATION_BATCH, device=device),
            ckpt_path=path,
            weights_only=True,
        )
        checkpointer.answer_signal()
    seconds = checkpointer.seconds
    return FitResult(
        weights=recorder.best_weights,
        shown=task.artifacts(),
        score=task.score,
        parameters=task.network.count_parameters(),
        epochs=recorder.epochs,
        best=recorder.best,
        seconds=seconds,
        samples_per_second=len(train) * len(recorder.epochs) / seconds,
        device=str(trainer.strategy.root_device),
    )


def evaluate(
    model: ModelConfig,
    settings: TrainerConfig,
    info: DatasetInfo,
    weights: Mapping[str, torch.Tensor],
    split: ArraySplit,
) -> dict[str, float]:
    """The score of trained weights on a split, by its name."""
    task = build_module(model, info)
    task.network.load_state_dict(weights)
    _trainer(settings).validate(task, Batches(split, EVALUATION_BATCH), verbose=False)
    return {task.score: round(task.validation_metrics()[f"validation_{task.score}"], 6)}


def _memory_for(device: torch.device, *splits: ArraySplit) -> torch.device | None:
    """The GPU, if these rows take no more than half of the memory that it has left."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    taken = sum(split.inputs.nbytes + split.labels.nbytes for split in splits)
    return device if taken <= free / 2 else None


def _trainer(settings: TrainerConfig, **options: Any) -> lightning.Trainer:  # noqa: ANN401  (Lightning's own)
    _keep_lightning_quiet()
    try:
        return lightning.Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.num_nodes,
            strategy=settings.strategy,
            precision=settings.precision,
            deterministic="warn",
            logger=False,
            enable_checkpointing="callbacks" in options,  # Checkpointer is one of Lightning's kind
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            profiler=_NoProfiler(),
            plugins=[AtomicCheckpointIO()],
            **options,
        )
    except (MisconfigurationException, ValueError) as error:
        raise ConfigError(f"params.yaml: trainer: {error}") from None


class _NoProfiler(PassThroughProfiler):
    """Lightning's own costs a small network as much as its step: it makes a context for each of 40 calls."""

    NOTHING = nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        return self.NOTHING


def _measure(network: nn.Module, train: ArraySplit) -> None:
    for layer in network.modules():
        if isinstance(layer, FittedLayer):
            layer.fit(torch.from_numpy(train.inputs), torch.from_numpy(train.labels))


def _begin_words(network: nn.Module, train: ArraySplit) -> None:
    for layer in network.modules():
        if isinstance(layer, WordEmbedding) and layer.settings.init == "ppmi":
            from penstock.models.common.ppmi_embeddings import ppmi_embeddings  # brings scikit-learn, a second

            ids = layer.ids(torch.from_numpy(train.inputs)).numpy()
            vectors = ppmi_embeddings(ids, layer.settings.vocab_size, layer.settings.embedding_dim)
            with torch.no_grad():
                layer.embedding.weight.copy_(torch.from_numpy(vectors))


def _keep_lightning_quiet() -> None:
    """Its start-up lines repeat what the stage's own line says; its warnings are about loaders that we do not use,
    about its own use of torch, and about batch numbers, which `Batches` keeps itself."""
    for library in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)
    warnings.filterwarnings(
        "ignore", message=".*does not have many workers.*|.*treespec, LeafSpec.*|.*`dataloader_iter`.*"
    )
    # Deterministic algorithms would also fill every new tensor, to expose reads of memory that nobody wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
