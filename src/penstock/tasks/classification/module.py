"""Classification: one class of several; the score is the accuracy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from penstock.config.models import ClassificationConfig
from penstock.config.training import TrainingConfig
from penstock.data.datamodule import Batch
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.build import build_network
from penstock.models.common.classifier import Classifier, Loss, predicted, probabilities
from penstock.models.common.fitted import FittedLayer
from penstock.models.common.members import of_each_member
from penstock.training.augmentation import require_images
from penstock.training.module import BaseModule, SupervisedModule
from penstock.training.own import OwnTraining, is_lightning_module


class ClassWeights(FittedLayer):
    """Weight rows by the inverse of the share of their class; the mean weight of the training rows is 1.

    Args:
        classes: Number of classes.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.weights: Tensor
        self.register_buffer("weights", torch.ones(classes))

    def fit(self, inputs: Tensor, labels: Tensor) -> None:
        """Count the classes. A class without rows has no weight; the others share the whole weight."""
        counts = labels.bincount(minlength=len(self.weights)).double()
        present = counts > 0
        self.weights.copy_(torch.where(present, counts.sum() / (present.sum() * counts.clamp(min=1)), 0.0))

    def forward(self, labels: Tensor) -> Tensor:
        """Return the weight of each row, float32 [N], from labels int64 [N]."""
        return self.weights[labels]


class ClassificationModule(SupervisedModule):
    """Train a `Classifier`, with augmentation of training images if it is configured.

    Args:
        network: The classifier.
        settings: Training.
        classes: Number of classes.
    """

    score = "accuracy"
    settings: TrainingConfig

    def __init__(self, network: Classifier, settings: TrainingConfig, classes: int) -> None:
        super().__init__(network, settings)
        self.class_weights = ClassWeights(classes) if settings.class_weights == "balanced" else None

    def loss_and_score(self, batch: Batch) -> tuple[Tensor, Tensor]:
        smoothing = self.settings.label_smoothing if self.training else 0.0
        logits, labels = of_each_member(self.network(self.augmented(batch.inputs)), batch.labels)
        accuracy = (predicted(logits) == labels).float().mean()
        weights = self.class_weights(labels) if self.class_weights else None
        return loss_of(self.settings.loss, logits, labels, smoothing, weights), accuracy


class OwnClassificationModule(OwnTraining, ClassificationModule):
    """Train a LightningModule of one's own that predicts one class."""


def loss_of(
    kind: Loss, logits: Tensor, labels: Tensor, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Compute the mean loss of logits [N, C] (or [N, 1] for binary_cross_entropy) against labels int64 [N].

    Args:
        kind: The loss function.
        logits: Outputs of the network, float32.
        labels: Class indices.
        smoothing: Share of the target that is distributed evenly over all classes, 0..1.
        weights: Factor of the loss of each row, float32 [N]; None weights all rows alike.
    """
    if weights is not None:
        return (weights * _losses(kind, logits, labels, smoothing, "none")).mean()
    return _losses(kind, logits, labels, smoothing, "mean")


def _losses(kind: Loss, logits: Tensor, labels: Tensor, smoothing: float, reduction: str) -> Tensor:
    """Compute the loss of each row, [N], with the reduction none, or their mean."""
    match kind:
        case "binary_cross_entropy":
            targets = labels.float() * (1 - smoothing) + smoothing / 2
            return functional.binary_cross_entropy_with_logits(logits[:, 0], targets, reduction=reduction)
        case "cross_entropy":
            return functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction=reduction)
        case "mean_squared_error":
            classes = logits.shape[1]
            targets = functional.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
            errors = functional.mse_loss(probabilities(logits), targets.to(logits.dtype), reduction=reduction)
            return errors.mean(dim=1) if reduction == "none" else errors


def build(model: ClassificationConfig, info: DatasetInfo) -> BaseModule:
    """Build the module of a model for a processed dataset.

    Raises:
        WrongSettingError: The settings and the dataset are incompatible.
    """
    require_images(model.training.augmentation, info)
    network = build_network(model, info)
    assert isinstance(network, Classifier)
    build_module = OwnClassificationModule if is_lightning_module(network.network) else ClassificationModule
    return build_module(network, model.training, len(info.classes))
