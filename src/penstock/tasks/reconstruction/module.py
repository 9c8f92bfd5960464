"""Reconstruction: the input is the target; the score is the mean squared error on pixels scaled to 0..1."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from penstock.config.models import ReconstructionConfig
from penstock.config.training import TrainingConfig
from penstock.core.errors import WrongSettingError
from penstock.data.datamodule import Batch
from penstock.io.dataset_info import DatasetInfo
from penstock.models.autoencoder import Autoencoder
from penstock.models.common.build import build_network
from penstock.training.module import BaseModule, SupervisedModule


class ReconstructionModule(SupervisedModule):
    """Train an `Autoencoder`."""

    score = "mean_squared_error"
    network: Autoencoder
    settings: TrainingConfig

    def loss_and_score(self, batch: Batch) -> tuple[Tensor, Tensor]:
        targets, logits = self.network.targets(batch.inputs), self.network(batch.inputs)
        error = functional.mse_loss(logits.sigmoid(), targets)
        if self.settings.loss == "mean_squared_error":
            return error, error
        return functional.binary_cross_entropy_with_logits(logits, targets), error


def build(model: ReconstructionConfig, info: DatasetInfo) -> BaseModule:
    """Build the module of a model for a processed dataset.

    Raises:
        WrongSettingError: A setting is for classification only.
    """
    if model.training.loss == "cross_entropy":
        raise WrongSettingError("training.loss", "cross_entropy needs classes; use binary_cross_entropy")
    for setting in ("label_smoothing", "augmentation", "class_weights"):
        if getattr(model.training, setting):
            raise WrongSettingError(f"training.{setting}", "is for classification")
    network = build_network(model, info)
    assert isinstance(network, Autoencoder)
    return ReconstructionModule(network, model.training)
