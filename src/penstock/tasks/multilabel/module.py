"""Multi-label classification: any number of labels; the score is the mean of their F1 scores."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from penstock.config.models import MultilabelConfig
from penstock.config.training import MultilabelTrainingConfig
from penstock.data.datamodule import Batch
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.build import build_network
from penstock.models.common.fitted import FittedLayer
from penstock.models.common.members import of_each_member
from penstock.models.common.multilabel import MultilabelClassifier
from penstock.training.augmentation import require_images
from penstock.training.module import BaseModule, SupervisedModule
from penstock.training.own import OwnTraining, is_lightning_module


def counts(logits: Tensor, labels: Tensor) -> Tensor:
    """Count what F1 scores follow from, as shares of the rows, float32 [3, labels].

    Args:
        logits: [N, labels].
        labels: 0 and 1, float32 [N, labels].

    Returns:
        Shares of the rows with the label predicted and there, only predicted, and only there.
    """
    predicted = (logits >= 0).to(labels.dtype)
    return torch.stack([predicted * labels, predicted * (1 - labels), (1 - predicted) * labels]).mean(dim=1)


def macro_f1_of_counts(mean: Tensor) -> Tensor:
    """Compute the mean of the F1 scores of all labels from `counts`; 0 for a label that is neither there nor predicted.

    That is scikit-learn's `f1_score(average="macro", zero_division=0)`.
    """
    both, only_predicted, only_there = mean
    whole = 2 * both + only_predicted + only_there
    scores: Tensor = 2 * both / torch.where(whole > 0, whole, 1)
    return scores.mean()


class LabelWeights(FittedLayer):
    """Weight the rows with a label as much in all as those without it; the mean weight of the training rows is 1.

    Args:
        labels: Number of labels.
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.weights: Tensor
        self.register_buffer("weights", torch.ones(2, labels))

    def fit(self, inputs: Tensor, labels: Tensor) -> None:
        """Count the rows with each label; a label that all or no rows have is not weighted."""
        share = labels.double().mean(dim=0)
        varies = (share > 0) & (share < 1)
        share = torch.where(varies, share, 0.5)
        self.weights.copy_(torch.stack([0.5 / (1 - share), 0.5 / share]))

    def forward(self, labels: Tensor) -> Tensor:
        """Return the weight of each label of each row, float32 [N, labels], from labels of 0 and 1."""
        return torch.where(labels > 0, self.weights[1], self.weights[0])


class MultilabelModule(SupervisedModule):
    """Train a `MultilabelClassifier` by binary cross-entropy.

    Args:
        network: The classifier.
        settings: Training.
        labels: Number of labels.
    """

    score = "macro_f1"
    score_of_mean = staticmethod(macro_f1_of_counts)
    settings: MultilabelTrainingConfig

    def __init__(self, network: MultilabelClassifier, settings: MultilabelTrainingConfig, labels: int) -> None:
        super().__init__(network, settings)
        self.class_weights = LabelWeights(labels) if settings.class_weights == "balanced" else None

    def loss_and_score(self, batch: Batch) -> tuple[Tensor, Tensor]:
        smoothing = self.settings.label_smoothing if self.training else 0.0
        logits, labels = of_each_member(self.network(self.augmented(batch.inputs)), batch.labels)
        weights = self.class_weights(labels) if self.class_weights else None
        targets = labels * (1 - smoothing) + smoothing / 2
        loss = functional.binary_cross_entropy_with_logits(logits, targets, weight=weights)
        return loss, counts(logits.detach(), labels)


class OwnMultilabelModule(OwnTraining, MultilabelModule):
    """Train a LightningModule of one's own that predicts any number of labels."""


def build(model: MultilabelConfig, info: DatasetInfo) -> BaseModule:
    """Build the module of a model for a processed dataset.

    Raises:
        WrongSettingError: The settings and the dataset are incompatible.
    """
    require_images(model.training.augmentation, info)
    network = build_network(model, info)
    assert isinstance(network, MultilabelClassifier)
    build_module = OwnMultilabelModule if is_lightning_module(network.network) else MultilabelModule
    return build_module(network, model.training, len(info.classes))
