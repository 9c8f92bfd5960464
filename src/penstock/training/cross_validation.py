"""The same training again: on every fold of the data, or from other seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import mean, stdev
from typing import Any

import numpy as np
from torch import Tensor

from penstock.io.processed_dataset import ProcessedDataset
from penstock.training.checkpoint_files import Checkpoints
from penstock.training.fit import TrainingSetup, fit, score_split

# A name for the repeat, such as "fold 2.5", and its metrics.
OnRepeat = Callable[[str, dict[str, float]], None]


def cross_validate(
    setup: TrainingSetup, processed: ProcessedDataset, on_fold: OnRepeat, *, checkpoints: Checkpoints
) -> dict[str, Any]:
    """Train on all folds but one, in turn, and score the last epoch on that one.

    No epoch is selected by the score, and the test split takes no part.

    Returns:
        `mean`, `std` and `scores` of all folds of all repeats, as training.json has them.
    """
    rows, folds = processed.not_test(), processed.folds()
    # Only the last epoch is scored. A training that `max_steps` ends may not reach it.
    every = setup.model.training.epochs if setup.trainer.max_steps == -1 else 1
    setup = replace(setup.changed(early_stopping=None), validate_every=every)
    scores = []
    for number, repeat in enumerate(folds, start=1):
        for fold in np.unique(repeat):
            name = f"fold {number}.{fold + 1}"
            train, held_out = rows[np.flatnonzero(repeat != fold)], rows[np.flatnonzero(repeat == fold)]
            fitted = fit(setup, train, held_out, checkpoints=checkpoints.of(name))
            metric = f"val/{fitted.score}"
            scores.append(fitted.epochs[-1].metrics[metric])
            on_fold(name, {metric: scores[-1]})
    return _summary(scores)


def multi_seed(
    setup: TrainingSetup,
    processed: ProcessedDataset,
    seeds: int,
    trained: Mapping[str, Tensor],
    on_seed: OnRepeat,
    *,
    checkpoints: Checkpoints,
) -> dict[str, Any]:
    """Train from several seeds, and score each training on the test split.

    The first seed is that of the `trained` weights; `seeds` - 1 follow.

    Returns:
        `mean`, `std` and `scores`, as seeds.json has them.
    """
    train, validation, test = (processed.split(split) for split in ("train", "validation", "test"))
    scores: list[float] = []
    first = setup.model.training.seed
    for seed in range(first, first + seeds):
        seeded, name = setup.changed(seed=seed), f"seed {seed}"
        weights = fit(seeded, train, validation, checkpoints=checkpoints.of(name)).weights if scores else trained
        ((metric, score),) = score_split(seeded, weights, test).items()
        scores.append(score)
        on_seed(name, {f"test/{metric}": score})
    return _summary(scores)


def _summary(scores: list[float]) -> dict[str, Any]:
    rounded = [round(score, 6) for score in scores]
    return {"mean": round(mean(scores), 6), "std": round(stdev(scores), 6), "scores": rounded}
