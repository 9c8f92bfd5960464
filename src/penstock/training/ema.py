"""Exponential moving average of the weights. It is validated and exported instead of the last weights."""

from __future__ import annotations

from collections.abc import Callable

from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


class EMA(WeightAveraging):
    """Average the weights exponentially; a replacement for Lightning's `EMAWeightAveraging`.

    It updates all tensors at once and copies integer buffers. `EMAWeightAveraging` updates one tensor at a time. It
    also averages integer buffers, such as the number of batches in batch normalization.

    Args:
        decay: Decay of the average per optimizer step, between 0 and 1.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=_ema_of_floats(decay), use_buffers=True)


def _ema_of_floats(decay: float) -> Callable[[list[Tensor], list[Tensor], int], None]:
    update_floats = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    def update(averages: list[Tensor], current: list[Tensor], num_averaged: int) -> None:
        if averages[0].is_floating_point():
            update_floats(averages, current, num_averaged)
        else:
            for average, now in zip(averages, current, strict=True):
                average.copy_(now)

    return update
