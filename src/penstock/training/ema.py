"""A running mean of the weights, which is what is validated, and kept, in place of the last ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from penstock.training.module import BaseModule


class EMA(WeightAveraging):
    """Lightning's own, but that each step of a `BaseModule` enters the mean, of which one of Lightning's has many.

    Args:
        decay: the share of the old mean in the new one.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=_running_mean(decay), use_buffers=True)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, BaseModule)
        assert self._average_model is not None, "Lightning makes it in setup"
        pl_module.after_step = partial(self._average_model.update_parameters, pl_module)

    def on_train_batch_end(self, *_: Any) -> None:  # noqa: ANN401  (of Lightning, and nothing is looked at)
        """All of its steps are in the mean already."""


def _running_mean(decay: float) -> Callable[[list[Tensor], list[Tensor], int], None]:
    """How weights, and what batch normalisation has seen of their activations, enter the mean; counters are copied."""
    mean_of_numbers = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    def take_in(means: list[Tensor], latest: list[Tensor], taken_in: int) -> None:
        if means[0].is_floating_point():
            mean_of_numbers(means, latest, taken_in)
        else:
            for mean, now in zip(means, latest, strict=True):
                mean.copy_(now)

    return take_in
