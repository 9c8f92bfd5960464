"""Gradient boosting of decision trees (scikit-learn's HistGradientBoosting with its defaults) on tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor

from penstock.baselines.features import category_places, scores
from penstock.config.data import DatasetConfig
from penstock.config.models import BoostingBaselineConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ProcessedDataset

MAX_CATEGORIES = 255  # of scikit-learn


def measure(
    settings: BoostingBaselineConfig, _dataset: DatasetConfig, processed: ProcessedDataset, _raw: Path
) -> dict[str, Any]:
    """Fit trees on the training rows.

    Args:
        settings: The entry of `baselines`.
        processed: The splits.

    Returns:
        The primary metric of the target on the test rows: `accuracy`, `macro_f1`, or `r2` with the errors.

    Raises:
        WrongSettingError: The inputs are no table.
    """
    info = processed.info
    if info.kind not in ("table", "columns"):
        problem = f"boosting needs a table, {settings.dataset} has {info.kind} inputs; use linear"
        raise WrongSettingError("kind", problem)
    train, test = processed.split("train"), processed.split("test")
    model = _model(info)
    model.fit(np.asarray(train.inputs), _targets(info, train.labels))
    return scores(info, model.predict(np.asarray(test.inputs)), test.labels)


def _model(info: DatasetInfo) -> Any:  # noqa: ANN401  (scikit-learn is untyped)
    few = [place for place in category_places(info) if len(info.columns[place].categories) < MAX_CATEGORIES]
    options: dict[str, Any] = {"categorical_features": few or None, "random_state": 0}
    match info.target:
        case "class":
            return HistGradientBoostingClassifier(**options)
        case "labels":
            return MultiOutputClassifier(HistGradientBoostingClassifier(**options))
        case "number":
            return MultiOutputRegressor(HistGradientBoostingRegressor(**options))


def _targets(info: DatasetInfo, labels: Any) -> Any:  # noqa: ANN401
    return labels.astype(np.int64) if info.target == "labels" else labels
