"""Gradient boosting of decision trees on tables: scikit-learn's HistGradientBoosting with its defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor

from penstock.baselines.common import fit_and_score
from penstock.config.data import DatasetConfig
from penstock.config.models import BoostingBaselineConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ProcessedDataset

SEED = 0
MOST_CATEGORIES = 254
"""HistGradientBoosting has 255 bins; other texts are one category more. Longer columns are split by their order."""


def measure(
    settings: BoostingBaselineConfig, _dataset: DatasetConfig, processed: ProcessedDataset, _raw: Path
) -> dict[str, Any]:
    """Fit the trees on the processed training rows. Categories are split as categories; NaN is a value of its own.

    Args:
        settings: The entry of `baselines`.
        processed: The splits.

    Returns:
        Metrics of the test rows, as `fit_and_score` describes them.

    Raises:
        WrongSettingError: The dataset is no table, or its training rows cannot be fitted.
    """
    info = processed.info
    if info.kind not in ("table", "columns"):
        raise WrongSettingError(
            "kind", f"boosting needs a table, {settings.dataset} has {info.kind} inputs; use linear"
        )
    train, test = processed.split("train"), processed.split("test")
    return fit_and_score(
        _model(info), (np.asarray(train.inputs), train.labels), (np.asarray(test.inputs), test.labels), info
    )


def _model(info: DatasetInfo) -> Any:  # noqa: ANN401  (scikit-learn is untyped)
    options = {"categorical_features": _categorical(info) or None, "random_state": SEED}
    match info.target:
        case "class":
            return HistGradientBoostingClassifier(**options)
        case "labels":
            return OneVsRestClassifier(HistGradientBoostingClassifier(**options))
        case "number":
            return MultiOutputRegressor(HistGradientBoostingRegressor(**options))


def _categorical(info: DatasetInfo) -> list[int]:
    return [
        place
        for place, column in enumerate(info.columns)
        if column.kind in ("category", "boolean") and len(column.categories) <= MOST_CATEGORIES
    ]
