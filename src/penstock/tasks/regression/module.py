"""Regression: one or several numbers; the score is R^2, the mean over the targets."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from penstock.config.models import RegressionConfig
from penstock.config.training import RegressionTrainingConfig
from penstock.data.datamodule import Batch
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.build import build_network
from penstock.models.common.members import of_each_member
from penstock.models.common.regressor import Regressor
from penstock.training.augmentation import require_images
from penstock.training.module import BaseModule, SupervisedModule
from penstock.training.own import OwnTraining, is_lightning_module


def moments(predicted: Tensor, targets: Tensor) -> Tensor:
    """Compute the means that R^2 follows from, float32 [3, targets]: target, its square, and squared error.

    Args:
        predicted: [N, targets].
        targets: [N, targets].
    """
    return torch.stack([targets, targets.square(), (predicted - targets).square()]).mean(dim=1)


def r2_of_moments(mean: Tensor) -> Tensor:
    """Compute R^2, the mean over the targets, from the means over all rows that `moments` gives.

    As in scikit-learn, a constant target has R^2 1 if it is predicted without error, else 0.
    """
    target, square, error = mean
    variance = square - target.square()
    constant = variance <= torch.finfo(torch.float32).eps * square
    of_constant = (error == 0).to(mean.dtype)
    return torch.where(constant, of_constant, 1 - error / torch.where(constant, 1, variance)).mean()


class RegressionModule(SupervisedModule):
    """Train a `Regressor` on standardized targets."""

    score = "r2"
    score_of_mean = staticmethod(r2_of_moments)
    network: Regressor
    settings: RegressionTrainingConfig

    def targets(self, batch: Batch) -> Tensor:
        """Return the standardized targets, float32 [N, targets]."""
        return self.network.standardized(batch.labels)

    def loss_and_score(self, batch: Batch) -> tuple[Tensor, Tensor]:
        predicted, targets = of_each_member(self.network(self.augmented(batch.inputs)), self.targets(batch))
        return loss_of(self.settings, predicted, targets), moments(predicted.detach(), targets)


class OwnRegressionModule(OwnTraining, RegressionModule):
    """Train a LightningModule of one's own that predicts standardized numbers."""


def loss_of(settings: RegressionTrainingConfig, predicted: Tensor, targets: Tensor) -> Tensor:
    """Compute the mean loss of predictions against standardized targets, both float32 [N, targets]."""
    match settings.loss:
        case "mean_squared_error":
            return functional.mse_loss(predicted, targets)
        case "mean_absolute_error":
            return functional.l1_loss(predicted, targets)
        case "huber":
            return functional.huber_loss(predicted, targets, delta=settings.huber_delta)


def build(model: RegressionConfig, info: DatasetInfo) -> BaseModule:
    """Build the module of a model for a processed dataset.

    Raises:
        WrongSettingError: The settings and the dataset are incompatible.
    """
    require_images(model.training.augmentation, info)
    network = build_network(model, info)
    assert isinstance(network, Regressor)
    build_module = OwnRegressionModule if is_lightning_module(network.network) else RegressionModule
    return build_module(network, model.training)
