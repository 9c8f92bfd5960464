"""Ensemble of multilayer perceptrons with shared weights, for tables (TabM; Gorishniy et al., 2025).

The members share the weight matrices; each has its own scales before and after them, its own biases and its own output
layer (BatchEnsemble; Wen et al., 2020). Numbers are also encoded piecewise linearly between quantiles of the training
rows (Gorishniy et al., 2022), which lets the first layer learn any function of one column.

Further shape suffixes: M members, F features.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from penstock.config.networks import TabularConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo, TargetKind
from penstock.models.common.columns import ColumnFeatures
from penstock.models.common.fitted import FittedLayer
from penstock.models.common.inputs import input_layer

DAYS_OF_YEAR = 365.2425
FIRST_DAY = 3
"""1970-01-01 is a Thursday, the fourth day of its week."""


def build(settings: TabularConfig, info: DatasetInfo, outputs: int) -> nn.Module:
    """Build the ensemble from processed rows, float32 [N, columns].

    In training, it returns the outputs of each member, [M, N, outputs]; otherwise those of the ensemble, [N, outputs].

    Raises:
        WrongSettingError: The inputs are not a table.
    """
    if info.kind not in ("table", "columns"):
        raise WrongSettingError("network.kind", f"tabular needs a table, {info.dataset} has {info.kind} inputs")
    features = TableFeatures(info, settings.bins)
    return Ensemble(settings, features, outputs, info.target)


class PiecewiseLinear(FittedLayer):
    """Encode numbers [N, K] by the share of each bin that lies below the number, [N, K * bins]; 0 where missing.

    The edges of the bins are quantiles of the training rows. Numbers beyond the outer edges count as these edges.

    Args:
        places: Columns of the numbers in the processed rows, K of them.
        bins: Bins of each number.
    """

    def __init__(self, places: list[int], bins: int) -> None:
        super().__init__()
        self.places, self.bins = places, bins
        self.lower: Tensor
        self.slope: Tensor
        self.register_buffer("lower", torch.zeros(len(places), bins))
        self.register_buffer("slope", torch.zeros(len(places), bins))

    def fit(self, inputs: Tensor, labels: Tensor) -> None:
        """Compute the edges. A number with few values has fewer bins, each between two values; the rest stay 0."""
        for row, place in enumerate(self.places):
            values = inputs[:, place].numpy()
            edges = _edges(values[~np.isnan(values)], self.bins)
            used = len(edges) - 1
            self.lower[row, :used] = torch.from_numpy(edges[:-1])
            self.slope[row, :used] = torch.from_numpy(1 / np.diff(edges))

    def forward(self, inputs: Tensor) -> Tensor:
        numbers = inputs[:, self.places].unsqueeze(2)
        shares = ((numbers - self.lower) * self.slope).clamp(0, 1)
        return torch.where(torch.isnan(numbers), 0.0, shares).flatten(1)


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Return the distinct edges of at most `bins` bins, float64, ascending."""
    if not len(values):
        return np.zeros(1)
    distinct = np.unique(values).astype(np.float64)
    if len(distinct) <= bins + 1:
        return distinct
    return np.unique(np.quantile(values.astype(np.float64), np.linspace(0, 1, bins + 1)))


class Calendar(nn.Module):
    """Encode dates, days since 1970 [N, K], by the season and the day of the week, [N, K * 11]; 0 where missing."""

    width = 11

    def __init__(self, places: list[int]) -> None:
        super().__init__()
        self.places = places

    def forward(self, inputs: Tensor) -> Tensor:
        days = inputs[:, self.places].unsqueeze(2)
        missing = torch.isnan(days)
        days = torch.where(missing, 0.0, days)
        angle = days * (2 * math.pi / DAYS_OF_YEAR)
        shifted = days + FIRST_DAY
        weekday = shifted - 7 * torch.floor(shifted / 7)
        is_day = (weekday == torch.arange(7, dtype=days.dtype, device=days.device)).to(days.dtype)
        parts = [angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos(), is_day]
        return torch.where(missing, 0.0, torch.cat(parts, dim=2)).flatten(1)


class TableFeatures(nn.Module):
    """Convert processed rows [N, columns] to features, float32 [N, F].

    They are those of the input layer of the dataset (standardized numbers, missing flags, one-hot categories), the
    piecewise-linear encodings of the numbers, and the calendar of the dates.
    """

    def __init__(self, info: DatasetInfo, bins: int | None) -> None:
        super().__init__()
        plain = input_layer(info)
        places, dates, width = list(range(info.shape[0])), [], info.shape[0]
        if isinstance(plain, ColumnFeatures):
            places, width = plain.numbers, plain.width
            dates = [place for place, column in enumerate(info.columns) if column.kind == "date"]
        self.parts = nn.ModuleList([plain])
        if bins and places:
            self.parts.append(PiecewiseLinear(places, bins))
            width += len(places) * bins
        if dates:
            self.parts.append(Calendar(dates))
            width += len(dates) * Calendar.width
        self.width = width

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([part(inputs) for part in self.parts], dim=1)


class SharedLinear(nn.Module):
    """Multiply by a shared matrix, between scales of each member: [M, N, inputs] -> [M, N, outputs].

    Args:
        members: Number of members M.
        inputs: Width of the inputs.
        outputs: Width of the outputs.
        first: Whether it is the first layer. Its scales are random signs, so that the members differ; those of the
            others are 1.
    """

    def __init__(self, members: int, inputs: int, outputs: int, *, first: bool) -> None:
        super().__init__()
        signs = torch.randint(0, 2, (members, 1, inputs)) * 2.0 - 1
        self.before = nn.Parameter(signs if first and members > 1 else torch.ones(members, 1, inputs))
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.after = nn.Parameter(torch.ones(members, 1, outputs))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs))
        for parameter in (self.weight, self.bias):
            nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5)

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs * self.before) @ self.weight * self.after + self.bias


class OwnLinear(nn.Module):
    """Multiply by a matrix of each member: [M, N, inputs] -> [M, N, outputs]."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs))
        for parameter in (self.weight, self.bias):
            nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weight + self.bias


class Ensemble(nn.Module):
    """Perceptrons with shared weights, and the mean of their answers.

    Args:
        settings: Architecture.
        features: The first layer.
        outputs: Width of the outputs.
        target: What is predicted, which decides what is averaged: probabilities or numbers.
    """

    def __init__(self, settings: TabularConfig, features: TableFeatures, outputs: int, target: TargetKind) -> None:
        super().__init__()
        self.features = features
        self.target = target
        layers: list[nn.Module] = []
        width = features.width
        for number, size in enumerate(settings.hidden_sizes):
            layers += [SharedLinear(settings.members, width, size, first=number == 0), nn.ReLU()]
            if settings.dropout:
                layers.append(nn.Dropout(settings.dropout))
            width = size
        self.layers = nn.Sequential(*layers, OwnLinear(settings.members, width, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        outputs_MNC: Tensor = self.layers(self.features(inputs).unsqueeze(0))
        return outputs_MNC if self.training else self._mean(outputs_MNC)

    def _mean(self, outputs_MNC: Tensor) -> Tensor:
        """Average numbers, or probabilities: the logits [N, C] of the mean probability of the members."""
        if self.target == "number":
            return outputs_MNC.mean(dim=0)
        if self.target == "class" and outputs_MNC.shape[2] > 1:
            return _log_mean(functional.log_softmax(outputs_MNC, dim=2))
        return _log_mean(functional.logsigmoid(outputs_MNC)) - _log_mean(functional.logsigmoid(-outputs_MNC))


def _log_mean(logarithms_MNC: Tensor) -> Tensor:
    """Compute the logarithm of the mean over the members, [N, C]."""
    return torch.logsumexp(logarithms_MNC, dim=0) - math.log(len(logarithms_MNC))
