"""Input layer of mixed tables: processed columns to features of a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from penstock.io.column_info import ColumnInfo
from penstock.models.common.fitted import FittedLayer

ROW = "row"
"""Name of the processed input, float32 [N, columns]."""


class ColumnFeatures(FittedLayer):
    """Convert processed columns [N, columns], with NaN for missing values, to features, float32 [N, features].

    A number (or date) becomes its standardized value, 0 if missing, and a flag. A category becomes a one-hot vector
    with one more place for other texts; a boolean becomes two places. All places are 0 if the value is missing.
    """

    def __init__(self, columns: Sequence[ColumnInfo]) -> None:
        super().__init__()
        self.mean: Tensor
        self.standard_deviation: Tensor
        self.numbers = [place for place, column in enumerate(columns) if column.kind in ("number", "date")]
        self.places = {
            place: 2 if column.kind == "boolean" else len(column.categories) + 1
            for place, column in enumerate(columns)
            if place not in self.numbers
        }
        self.width = 2 * len(self.numbers) + sum(self.places.values())
        self.register_buffer("mean", torch.zeros(len(self.numbers)))
        self.register_buffer("standard_deviation", torch.ones(len(self.numbers)))

    def fit(self, inputs: Tensor, labels: Tensor) -> None:
        """Estimate mean and standard deviation of the numbers that are there."""
        numbers = inputs[:, self.numbers].double()
        mean = numbers.nanmean(dim=0).nan_to_num()
        deviation = (numbers - mean).square().nanmean(dim=0).sqrt()
        self.mean.copy_(mean)
        self.standard_deviation.copy_(torch.where(deviation > 0, deviation, 1.0))

    def forward(self, inputs: Tensor) -> Tensor:
        numbers = inputs[:, self.numbers]
        missing = torch.isnan(numbers)
        standardized = torch.where(missing, 0.0, (numbers - self.mean) / self.standard_deviation)
        features = [standardized, missing.to(inputs.dtype)]
        for place, size in self.places.items():
            values = inputs[:, place, None]
            features.append((values == torch.arange(size, dtype=inputs.dtype, device=inputs.device)).to(inputs.dtype))
        return torch.cat(features, dim=1)
