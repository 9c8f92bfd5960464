"""The same training again: on every fold of the data, or from other seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import mean, stdev
from typing import Any

import numpy as np
from torch import Tensor

from penstock.config.models import SupervisedModelConfig
from penstock.config.params import TrainerConfig
from penstock.io.processed_dataset import ProcessedDataset
from penstock.training.checkpoints import Checkpoints
from penstock.training.fit import BuildModule, evaluate, fit

# A name for the repeat, such as "fold 2.5", and its metrics.
OnRepeat = Callable[[str, dict[str, float]], None]


def cross_validate(
    build_module: BuildModule,
    model: SupervisedModelConfig,
    settings: TrainerConfig,
    processed: ProcessedDataset,
    on_fold: OnRepeat,
    *,
    checkpoints: Checkpoints,
) -> dict[str, Any]:
    """The score on each held-out fold after the last epoch: nothing is selected on it, and test takes no part.

    Returns:
        `mean`, `std` and `scores` of all folds of all repeats, as training.json has them.
    """
    rows, folds = processed.not_test(), processed.folds()
    whole = _changed(model, early_stopping=None)
    scores = []
    for number, repeat in enumerate(folds, start=1):
        for fold in np.unique(repeat):
            name = f"fold {number}.{fold + 1}"
            train, held_out = rows[np.flatnonzero(repeat != fold)], rows[np.flatnonzero(repeat == fold)]
            fitted = fit(
                build_module, whole, settings, processed.info, train, held_out, checkpoints=checkpoints.of(name)
            )
            figure = f"val/{fitted.score}"
            scores.append(fitted.epochs[-1].metrics[figure])
            on_fold(name, {figure: scores[-1]})
    return _summary(scores)


def multi_seed(  # noqa: PLR0913, PLR0917
    build_module: BuildModule,
    model: SupervisedModelConfig,
    settings: TrainerConfig,
    processed: ProcessedDataset,
    seeds: int,
    trained: Mapping[str, Tensor],
    on_seed: OnRepeat,
    *,
    checkpoints: Checkpoints,
) -> dict[str, Any]:
    """The score on the test split of the `trained` weights, and of trainings from the `seeds` - 1 seeds that follow.

    Returns:
        `mean`, `std` and `scores`, as seeds.json has them.
    """
    info = processed.info
    train, validation, test = (processed.split(split) for split in ("train", "validation", "test"))
    scores: list[float] = []
    for seed in range(model.training.seed, model.training.seed + seeds):
        changed, name = _changed(model, seed=seed), f"seed {seed}"
        weights = trained
        if scores:
            weights = fit(
                build_module, changed, settings, info, train, validation, checkpoints=checkpoints.of(name)
            ).weights
        ((figure, score),) = evaluate(build_module, changed, settings, info, weights, test).items()
        scores.append(score)
        on_seed(name, {f"test/{figure}": score})
    return _summary(scores)


def _changed(model: SupervisedModelConfig, **training: object) -> SupervisedModelConfig:
    return model.model_copy(update={"training": model.training.model_copy(update=training)})


def _summary(scores: list[float]) -> dict[str, Any]:
    rounded = [round(score, 6) for score in scores]
    return {"mean": round(mean(scores), 6), "std": round(stdev(scores), 6), "scores": rounded}
