"""Multi-label classifier: converts logits to probabilities and labels."""

from __future__ import annotations

import torch
from torch import Tensor

from penstock.config.targets import OUTPUTS
from penstock.models.common.base import Predictor


class MultilabelClassifier(Predictor):
    """Predict any number of labels. `forward` returns logits, float32 [N, labels]."""

    outputs = OUTPUTS["labels"]

    def predict(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return probabilities, float32 [N, labels], and labels, int64 [N, labels] of 0 and 1."""
        probabilities = torch.sigmoid(self(inputs))
        return probabilities, (probabilities >= 0.5).long()
