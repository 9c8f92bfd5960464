"""What a search improves: the validation score of a model's task."""

from __future__ import annotations

from penstock.config.params import Config
from penstock.core.errors import ConfigError
from penstock.tracking.metric_names import SCORES, Score

OBJECTIVES = {
    "classification": "accuracy",
    "regression": "r2",
    "multilabel": "macro_f1",
    "reconstruction": "mean_squared_error",
}


def objective_of(config: Config, model: str) -> Score:
    """Return the validation score of a model's task.

    Raises:
        ConfigError: The task has none.
    """
    task = config.model(model).task
    if task not in OBJECTIVES:
        raise ConfigError(f"{model}: a model of task {task} has no validation score to search by")
    return next(score for score in SCORES if score.name == OBJECTIVES[task])
