"""Evaluate regressions: R^2 and errors, by target and by slice, and the worst errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.models import RegressionConfig
from penstock.data.sources.rows import RawSplit
from penstock.evaluation.readable_input import readable_input, shown_images
from penstock.evaluation.regression_metrics import errors_in_deviations, mean_errors, r2, scores_of_targets
from penstock.evaluation.results import Metric, Predictions, TaskResult
from penstock.evaluation.slices import input_slices, quarters
from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.base import ExportableModel

SHOWN_ERRORS = 24
SHOWN_ROWS = 1000  # of each target in per_class.csv

Slices = dict[str, list[dict[str, Any]]]


def eval_inputs(test: RawSplit, processed: ArraySplit, _network: ExportableModel) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the test split, raw for the ONNX file and processed for the network."""
    return test.inputs, processed.inputs


def primary_metric(predictions: Predictions) -> Metric:
    return Metric("r2", r2(predictions.outputs["prediction"], predictions.test.labels))


def evaluate(_model: RegressionConfig, predictions: Predictions) -> TaskResult:
    name, score = primary_metric(predictions)
    test = {name: score, **mean_errors(predictions.outputs["prediction"], predictions.test.labels)}
    baseline = predictions.evaluation_inputs.baseline_metrics()
    worst = _worst_rows(predictions)
    return TaskResult(
        test=test,
        baseline={metric: baseline[metric] for metric in test},
        per_class=_shown_rows(predictions),
        examples=shown_images(predictions, worst),
        details={"slices": _slices(predictions), "worst_errors": _described(predictions, worst)},
    )


def _shown_rows(predictions: Predictions) -> list[dict[str, Any]]:
    """Return the actual and the predicted numbers of at most `SHOWN_ROWS` rows, evenly spread over the test rows."""
    predicted, actual = np.nan_to_num(predictions.outputs["prediction"]), predictions.test.labels
    rows = np.unique(np.linspace(0, len(actual) - 1, SHOWN_ROWS).round().astype(np.int64))
    return [
        {"target": target.name, "actual": _short(truth), "prediction": _short(found), "residual": _short(found - truth)}
        for number, target in enumerate(predictions.info.targets)
        for truth, found in zip(actual[rows, number], predicted[rows, number], strict=True)
    ]


def _slices(predictions: Predictions) -> Slices:
    """Return the scores of each target, of the quarters of each target, and of texts and tables by their inputs."""
    predicted, actual = predictions.outputs["prediction"], predictions.test.labels
    names = [target.name for target in predictions.info.targets]

    def errors(rows: NDArray[np.bool_]) -> dict[str, float]:
        return mean_errors(predicted[rows], actual[rows])

    by_size = {
        f"quarter of {name}": [
            {"slice": title, "rows": int(rows.sum())} | mean_errors(predicted[rows][:, one], actual[rows][:, one])
            for title, rows in quarters(actual[:, number])
        ]
        for number, name in enumerate(names)
        for one in [slice(number, number + 1)]
    }
    by_target = scores_of_targets(predicted, actual, names)
    return {"target": by_target} | by_size | input_slices(predictions.inputs, predictions.info, errors)


def _worst_rows(predictions: Predictions) -> NDArray[np.int64]:
    """Return the test rows with the largest error, in descending order."""
    errors = errors_in_deviations(predictions.outputs["prediction"], predictions.test.labels)
    return np.argsort(-errors, kind="stable")[:SHOWN_ERRORS]


def _described(predictions: Predictions, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Describe rows for validation.json; the error is in standard deviations of the test rows."""
    predicted, actual = predictions.outputs["prediction"], predictions.test.labels
    errors = errors_in_deviations(predicted, actual)
    return [
        {"row": row, "actual": _text(actual[row]), "predicted": _text(predicted[row]), "error": round(errors[row], 6)}
        | readable_input(predictions, row)
        for row in rows.tolist()
    ]


def _text(numbers: NDArray[np.float32]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _short(number: np.float32) -> float:
    return float(f"{number:.7g}")
