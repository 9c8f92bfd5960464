"""Training from start to end: one model on one split, or on every fold."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException

from penstock.config import Model, Trainer
from penstock.data.batches import Batches, EpochOrder
from penstock.data.processed import Processed, Split
from penstock.errors import ConfigError
from penstock.manifest import Manifest
from penstock.networks import build_classifier, count_parameters
from penstock.networks.classifier import Classifier
from penstock.networks.inputs import Standardise
from penstock.training.classification import Classification
from penstock.training.history import Epoch, Recorder
from penstock.training.progress import BatchProgress

EVALUATION_BATCH = 512


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A finished training.

    weights: state of the `Classifier` at `best`, the epoch of the lowest validation loss, on the CPU.
    seconds: of the epochs, without imports and loading.
    """

    weights: dict[str, torch.Tensor]
    parameters: int
    epochs: list[Epoch]
    best: Epoch
    seconds: float
    samples_per_second: float
    device: str

    def report(self) -> dict[str, Any]:
        """training.json without its folds: nothing in it changes from one run to the next."""
        return {
            "parameters": self.parameters,
            "epochs": len(self.epochs),
            "best_epoch": self.best.epoch,
            "train": _rounded(loss=self.best.train_loss, accuracy=self.best.train_accuracy),
            "validation": _rounded(loss=self.best.validation_loss, accuracy=self.best.validation_accuracy),
        }


def fit(
    model: Model,
    settings: Trainer,
    manifest: Manifest,
    train: Split,
    validation: Split,
    on_epoch: Callable[[Epoch, int], None] = lambda epoch, epochs: None,
) -> Fitted:
    """Trains `model` on one split.

    Args:
        on_epoch: called after each epoch with its figures and the largest number of epochs.

    Raises:
        TrainingError: the loss is no longer a finite number.
        WrongSettingError: network, loss, schedule and dataset do not go together.
        ConfigError: this machine has no such accelerator.
    """
    _keep_lightning_quiet()
    lightning.seed_everything(model.training.seed, verbose=False)
    classifier = build_classifier(model.network, manifest, model.training.loss)
    _fit_scaling(classifier, train)
    recorder = Recorder(model.training.early_stopping, on_epoch)
    trainer = _trainer(
        accelerator=settings.accelerator,
        devices=1,
        precision=settings.precision,
        max_epochs=model.training.epochs,
        gradient_clip_val=model.training.gradient_clip_norm,
        callbacks=[recorder, BatchProgress()],
        deterministic="warn",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    started = time.perf_counter()
    trainer.fit(
        Classification(classifier, model.training),
        Batches(train, model.training.batch_size, EpochOrder(len(train), model.training.seed)),
        Batches(validation, EVALUATION_BATCH),
    )
    seconds = time.perf_counter() - started
    assert recorder.best is not None, "params.yaml asks for at least one epoch"
    return Fitted(
        weights=recorder.best_weights,
        parameters=count_parameters(classifier),
        epochs=recorder.epochs,
        best=recorder.best,
        seconds=seconds,
        samples_per_second=len(train) * len(recorder.epochs) / seconds,
        device=str(trainer.strategy.root_device),
    )


def cross_validate(model: Model, settings: Trainer, processed: Processed) -> dict[str, Any]:
    """Accuracy on each held-out fold after the last epoch: nothing is selected on it, and test takes no part.

    Returns:
        `mean`, `sd` and `scores` of all folds of all repeats, as training.json has them.
    """
    rows, folds = processed.not_test(), processed.folds()
    training = model.training.model_copy(update={"early_stopping": None})
    whole = model.model_copy(update={"training": training})
    scores = []
    for repeat in folds:
        for fold in np.unique(repeat):
            train, held_out = rows[np.flatnonzero(repeat != fold)], rows[np.flatnonzero(repeat == fold)]
            fitted = fit(whole, settings, processed.manifest, train, held_out)
            scores.append(fitted.epochs[-1].validation_accuracy)
    return _rounded(mean=mean(scores), sd=stdev(scores)) | {"scores": [round(score, 6) for score in scores]}


def _trainer(**options: Any) -> lightning.Trainer:  # noqa: ANN401  (Lightning's own)
    try:
        return lightning.Trainer(**options)
    except MisconfigurationException as error:
        raise ConfigError(f"params.yaml: trainer: {error}") from None


def _fit_scaling(classifier: Classifier, train: Split) -> None:
    if isinstance(classifier.inputs, Standardise):
        classifier.inputs.fit(torch.from_numpy(np.array(train.inputs)))


def _rounded(**figures: float) -> dict[str, Any]:
    return {name: round(figure, 6) for name, figure in figures.items()}


def _keep_lightning_quiet() -> None:
    """Its start-up lines repeat what the stage's own line says; its warnings are about loaders that we do not use,
    and about its own use of torch."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*|.*treespec, LeafSpec.*")
    # Deterministic algorithms would also fill every new tensor, to expose reads of memory that nobody wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
