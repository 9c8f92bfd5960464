"""Layers with statistics of the training rows."""

from __future__ import annotations

from torch import Tensor, nn


class FittedLayer(nn.Module):
    """Estimate statistics of the training rows before training.

    They are buffers, so they are saved with the weights and become part of the exported graph.
    """

    def fit(self, inputs: Tensor, labels: Tensor) -> None:
        """Estimate the statistics.

        Args:
            inputs: Training rows, [N, ...], as `forward` receives them.
            labels: Their classes, int64 [N]; several labels or numbers: float32 [N, labels].
        """
        raise NotImplementedError
