"""Fit a baseline on training rows and score it on test rows, for every kind of target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, mean_squared_error, r2_score

from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import DatasetInfo

Rows = tuple[Any, NDArray[Any]]
"""Inputs and labels of some rows."""


def fit_and_score(model: Any, train: Rows, test: Rows, info: DatasetInfo) -> dict[str, Any]:  # noqa: ANN401
    """Fit a scikit-learn model, and return the metrics that models of the same target are compared by.

    Returns:
        `accuracy` of a class, `macro_f1` of labels, `r2` and `mean_squared_error` of numbers, on the test rows.

    Raises:
        WrongSettingError: The training rows cannot be fitted.
    """
    try:
        model.fit(*train)
    except ValueError as error:  # such as texts without a common word
        raise WrongSettingError("dataset", f"scikit-learn cannot fit {info.dataset}: {error}") from None
    return {name: round(float(value), 6) for name, value in _scores(model.predict(test[0]), test[1], info).items()}


def _scores(predicted: NDArray[Any], labels: NDArray[Any], info: DatasetInfo) -> dict[str, float]:
    match info.target:
        case "class":
            return {"accuracy": (predicted == labels).mean()}
        case "labels":
            return {"macro_f1": f1_score(labels, predicted, average="macro", zero_division=0)}
        case "number":
            exact, predicted = labels.astype(np.float64), predicted.reshape(labels.shape)
            return {"r2": r2_score(exact, predicted), "mean_squared_error": mean_squared_error(exact, predicted)}
