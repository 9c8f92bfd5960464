"""Evaluate regressions: R^2 and errors, by target and by quarter of the target, and the worst errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.regression import mean_absolute_error, mean_squared_error, r2_score

from penstock.config.models import RegressionConfig
from penstock.data.sources.rows import RawSplit
from penstock.evaluation.readable_input import readable_input
from penstock.evaluation.results import Metric, Predictions, TaskResult
from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.base import ExportableModel

SHOWN_ERRORS = 24
SHOWN_ROWS = 1000  # of per_class.csv, for the plot of predicted against actual numbers
QUARTILES = (0.25, 0.5, 0.75)

Numbers = NDArray[np.float32]


def eval_inputs(test: RawSplit, processed: ArraySplit, _network: ExportableModel) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the test split, raw for the ONNX file and processed for the network."""
    return test.inputs, processed.inputs


def primary_metric(predictions: Predictions) -> Metric:
    return Metric("r2", _r2(predictions.outputs["prediction"], predictions.test.labels))


def evaluate(_model: RegressionConfig, predictions: Predictions) -> TaskResult:
    predicted, actual = predictions.outputs["prediction"], predictions.test.labels
    baseline = predictions.evaluation_inputs.baseline_metrics()
    return TaskResult(
        test={"r2": _r2(predicted, actual), **_errors(predicted, actual)},
        baseline={name: baseline[name] for name in ("r2", "mean_squared_error", "mean_absolute_error")},
        per_class=_shown_rows(predictions),
        examples={},
        details={"slices": dict(_slices(predictions)), "worst_errors": _worst_errors(predictions)},
    )


def _r2(predicted: Numbers, actual: Numbers) -> float:
    """Compute R^2, the mean over the targets; 0 for a target that is constant."""
    varies = actual.std(axis=0) > 0
    if not varies.any():
        return 0.0
    found, truth = _tensor(predicted[:, varies]), _tensor(actual[:, varies])
    scores = r2_score(found, truth, multioutput="raw_values")
    return round(float(scores.sum()) / len(varies), 6)


def _errors(predicted: Numbers, actual: Numbers) -> dict[str, float]:
    found, truth = _tensor(predicted), _tensor(actual)
    return {
        "mean_squared_error": _short(mean_squared_error(found, truth)),
        "mean_absolute_error": _short(mean_absolute_error(found, truth)),
    }


def _short(value: torch.Tensor) -> float:
    """Round to seven significant digits: the unit is that of the target."""
    return float(f"{float(value):.7g}")


def _tensor(values: Numbers) -> torch.Tensor:
    return torch.from_numpy(np.nan_to_num(values.astype(np.float64))).contiguous()


def _shown_rows(predictions: Predictions) -> list[dict[str, Any]]:
    """Return target, actual and predicted number of the first test rows."""
    predicted, actual = predictions.outputs["prediction"], predictions.test.labels
    return [
        {"target": target.name, "actual": float(truth), "prediction": float(found)}
        for place, target in enumerate(predictions.info.targets)
        for truth, found in zip(actual[:SHOWN_ROWS, place], predicted[:SHOWN_ROWS, place], strict=True)
    ]


def _slices(predictions: Predictions) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the scores of each target where there are several, and the errors by quarter of the first target."""
    predicted, actual, targets = predictions.outputs["prediction"], predictions.test.labels, predictions.info.targets
    if len(targets) > 1:
        yield (
            "target",
            [
                {"slice": target.name, "rows": len(actual), "r2": _r2(*of_target), **_errors(*of_target)}
                for place, target in enumerate(targets)
                for of_target in [(predicted[:, place : place + 1], actual[:, place : place + 1])]
            ],
        )
    first = actual[:, 0]
    quarters = np.searchsorted(np.quantile(first, QUARTILES), first)
    yield (
        targets[0].name,
        [
            {
                "slice": f"{first[rows].min():g} to {first[rows].max():g}",
                "rows": int(rows.sum()),
                **_errors(predicted[rows, :1], actual[rows, :1]),
            }
            for quarter in np.unique(quarters)
            for rows in [quarters == quarter]
        ],
    )


def _worst_errors(predictions: Predictions) -> list[dict[str, Any]]:
    """Return the rows of the largest error, in standard deviations of the test rows, in descending order."""
    predicted, actual = predictions.outputs["prediction"], predictions.test.labels
    deviation = actual.std(axis=0)
    errors = np.abs(np.nan_to_num(predicted) - actual) / np.where(deviation > 0, deviation, 1)
    rows = np.argsort(-errors.mean(axis=1), kind="stable")[:SHOWN_ERRORS]
    return [
        {
            "row": int(row),
            "actual": ", ".join(f"{value:g}" for value in actual[row]),
            "predicted": ", ".join(f"{value:g}" for value in predicted[row]),
            "error": round(float(errors[row].mean()), 6),
        }
        | readable_input(predictions, int(row))
        for row in rows
    ]
