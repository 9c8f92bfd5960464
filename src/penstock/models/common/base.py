"""Interface of every network for training, export and validation: its input and its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class InputSpec:
    """Describe the input tensor of a network, [N, *shape]."""

    name: str
    shape: tuple[int, ...]
    """Shape of one row, without the batch dimension."""
    dtype: torch.dtype
    description: str = ""
    """Meaning of a row for users; empty if it is a row of the dataset."""
    vocab_size: int = 0
    """Number of ids if the input is word ids, else 0."""

    def example(self, rows: int) -> Tensor:
        """Return zeros of this dtype, [rows, *shape]."""
        return torch.zeros((rows, *self.shape), dtype=self.dtype)


class ExportableModel(nn.Module):
    """Map processed arrays (or noise) to the outputs of a served model.

    Args:
        takes: The input of the network.
    """

    outputs: ClassVar[tuple[str, ...]]
    """Names of the tensors that `predict` returns, in order."""

    def __init__(self, takes: InputSpec) -> None:
        super().__init__()
        self.input_spec = takes

    def predict(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs, in the order of `outputs`, each [N, ...], from inputs as `input_spec` describes."""
        raise NotImplementedError

    def count_parameters(self) -> int:
        """Count the trainable parameters of the exported part, without the buffers of a scaler."""
        return count_parameters(self)


class Predictor(ExportableModel):
    """Apply an input layer, then a network. `forward` maps processed inputs [N, *shape] to its output, float32 [N, C].

    Args:
        takes: The processed inputs.
        inputs: The input layer.
        network: The layers after it.
    """

    def __init__(self, takes: InputSpec, inputs: nn.Module, network: nn.Module) -> None:
        super().__init__(takes)
        self.inputs = inputs
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.network(self.inputs(inputs))
        return output


def count_parameters(module: nn.Module) -> int:
    """Count the trainable parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
