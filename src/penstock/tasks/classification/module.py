"""Classification: one class of several; the score is the accuracy."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from penstock.config.models import ClassificationConfig
from penstock.core.errors import WrongSettingError
from penstock.data.datamodule import Batch
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.build import build_network
from penstock.models.common.classifier import Classifier, Loss, predicted, probabilities
from penstock.training.augmentation import augment
from penstock.training.module import BaseModule, SupervisedModule


class ClassificationModule(SupervisedModule):
    """Train a `Classifier`, with augmentation of training images if it is configured."""

    score = "accuracy"

    def loss_and_score(self, batch: Batch) -> tuple[Tensor, Tensor]:
        inputs, labels = batch.inputs, batch.labels
        smoothing = 0.0
        if self.training:
            smoothing = self.settings.label_smoothing
            if self.settings.augmentation:
                inputs = augment(inputs, self.settings.augmentation)
        logits = self.network(inputs)
        accuracy = (predicted(logits) == labels).float().mean()
        return loss_of(self.settings.loss, logits, labels, smoothing), accuracy


def loss_of(kind: Loss, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Compute the mean loss of logits [N, C] (or [N, 1] for binary_cross_entropy) against labels int64 [N].

    Args:
        kind: The loss function.
        logits: Outputs of the network, float32.
        labels: Class indices.
        smoothing: Share of the target that is distributed evenly over all classes, 0..1.
    """
    match kind:
        case "binary_cross_entropy":
            targets = labels.float() * (1 - smoothing) + smoothing / 2
            return functional.binary_cross_entropy_with_logits(logits[:, 0], targets)
        case "cross_entropy":
            return functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        case "mean_squared_error":
            classes = logits.shape[1]
            targets = functional.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
            return functional.mse_loss(probabilities(logits), targets.to(logits.dtype))


def build(model: ClassificationConfig, info: DatasetInfo) -> BaseModule:
    """Build the module of a model for a processed dataset.

    Raises:
        WrongSettingError: The settings and the dataset are incompatible.
    """
    if model.training.augmentation and info.kind != "image":
        raise WrongSettingError("training.augmentation", f"is for images, {info.dataset} has {info.kind} inputs")
    network = build_network(model, info)
    assert isinstance(network, Classifier)
    return ClassificationModule(network, model.training)
