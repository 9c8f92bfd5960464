"""How a study chooses settings, and which trials it stops early."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial

STARTUP_TRIALS = 5
RANDOM_TRIALS = 10
REPORTS = 20


class NumberedGridSampler(BaseSampler):
    """Give each trial the point of a grid that has its number.

    Optuna's `GridSampler` draws a point that no finished or running trial has, so two workers may draw the same one.

    Args:
        points: Values by name, one mapping for each trial.
    """

    def __init__(self, points: Sequence[Mapping[str, Any]]) -> None:
        self.points = points

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # noqa: ANN401  (Optuna's own)
        value = self.points[trial.number][param_name]
        return json.dumps(value) if isinstance(value, list | dict) else value  # as `SearchSpace.suggest` lists choices


def make_sampler(points: Sequence[Mapping[str, Any]], seed: int, number: int) -> BaseSampler:
    """Return the sampler of one trial: that of a grid, or TPE if there are no points.

    With one seed for all workers, all would draw the same settings; a worker that is restarted would repeat its own. So
    the random numbers of TPE depend on the number of the trial.

    Args:
        points: Points of the grid.
        seed: Seed of the study.
        number: Number of the trial.
    """
    if points:
        return NumberedGridSampler(points)
    return TPESampler(n_startup_trials=RANDOM_TRIALS, seed=(seed * 1_000_003 + number) % 2**32)


def report_interval(epochs: int) -> int:
    """Return every how many epochs a trial reports its score: a report takes as long as an epoch of a small model."""
    return max(1, epochs // REPORTS)


def make_pruner(kind: str, epochs: int) -> BasePruner:
    """Return a pruner that compares trials by the score after the same epoch.

    Args:
        kind: `median` stops a trial that is worse than the median of earlier ones at the same epoch; `hyperband`
            allots epochs in brackets; `none` stops none.
        epochs: Largest number of epochs of a trial.
    """
    match kind:
        case "median":
            interval = report_interval(epochs)
            return MedianPruner(STARTUP_TRIALS, n_warmup_steps=max(1, epochs // 4), interval_steps=interval)
        case "hyperband":
            return HyperbandPruner(min_resource=max(1, epochs // 27), max_resource=epochs)
        case _:
            return NopPruner()
