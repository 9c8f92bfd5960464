"""What training, export and validation know of every network: what it takes, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class InputSpec:
    """The tensor that a network is given, [N, *shape], and for people what a row of it is where that is no row of
    the dataset; `vocabulary` is the number of ids where they are words'."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    description: str = ""
    vocabulary: int = 0

    def example(self, rows: int) -> Tensor:
        return torch.zeros((rows, *self.shape), dtype=self.dtype)


class ExportableModel(nn.Module):
    """A network as a whole, from the processed arrays (or noise) to what a served model gives.

    outputs: names of the tensors that `answers` returns.
    """

    outputs: ClassVar[tuple[str, ...]]

    def __init__(self, takes: InputSpec) -> None:
        super().__init__()
        self.input_spec = takes

    def predict(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Inputs as `takes` says to the outputs, in their order, each [N, ...]."""
        raise NotImplementedError

    def count_parameters(self) -> int:
        """Trainable numbers of what is exported, as the documents count them; a scaler's are not among them."""
        return count_parameters(self)


def count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
