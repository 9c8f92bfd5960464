"""Features of tables for scikit-learn's models, from processed rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from penstock.io.dataset_info import DatasetInfo


def category_places(info: DatasetInfo) -> list[int]:
    """Return the places of the columns whose numbers stand for texts."""
    return [place for place, column in enumerate(info.columns) if column.kind in ("category", "boolean")]


def columns_transformer(info: DatasetInfo) -> Any:  # noqa: ANN401  (scikit-learn is untyped)
    """Return a transformer of processed columns: medians for missing numbers, standardized; one-hot categories."""
    categories = category_places(info)
    numbers = [place for place in range(len(info.columns)) if place not in categories]
    return make_column_transformer(
        (
            make_pipeline(
                SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
            ),
            numbers,
        ),
        (
            make_pipeline(SimpleImputer(strategy="constant", fill_value=-1), OneHotEncoder(handle_unknown="ignore")),
            categories,
        ),
    )


def scores(info: DatasetInfo, predicted: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    """Return the metrics of predictions, as validation.json has them for the task of the target.

    Args:
        info: The dataset.
        predicted: Classes, 0 and 1 of each label, or numbers.
        labels: The truth, of the same shape.
    """
    from sklearn import metrics

    match info.target:
        case "class":
            return {"accuracy": round(float(np.mean(predicted == labels)), 6)}
        case "labels":
            return {"macro_f1": round(float(metrics.f1_score(labels, predicted, average="macro", zero_division=0)), 6)}
        case "number":
            shaped = predicted.reshape(labels.shape)
            return {
                "r2": round(float(metrics.r2_score(labels, shaped)), 6),
                "mean_squared_error": float(f"{metrics.mean_squared_error(labels, shaped):.7g}"),
                "mean_absolute_error": float(f"{metrics.mean_absolute_error(labels, shaped):.7g}"),
            }
