"""Tests of the metrics of predicted numbers, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_linnerud

from penstock.evaluation.regression_metrics import errors_in_deviations, mean_errors, r2, scores_of_targets


@pytest.fixture
def numbers():
    """Three measurements of twenty men, and predictions of them."""
    actual = load_linnerud().target.astype(np.float32)
    noise = np.random.default_rng(0).normal(size=actual.shape) * actual.std(axis=0) / 2
    return (actual + noise).astype(np.float32), actual


def test_metrics_equal_those_of_scikit_learn(numbers):
    predicted, actual = numbers
    assert r2(predicted, actual) == pytest.approx(metrics.r2_score(actual, predicted), abs=1e-5)
    found = mean_errors(predicted, actual)
    assert found["mean_squared_error"] == pytest.approx(metrics.mean_squared_error(actual, predicted), rel=1e-6)
    assert found["mean_absolute_error"] == pytest.approx(metrics.mean_absolute_error(actual, predicted), rel=1e-6)


def test_each_target_has_its_scores_and_quantiles(numbers):
    predicted, actual = numbers
    found = scores_of_targets(predicted, actual, ["weight", "waist", "pulse"])
    assert [row["slice"] for row in found] == ["weight", "waist", "pulse"]
    assert np.mean([row["r2"] for row in found]) == pytest.approx(r2(predicted, actual), abs=1e-5)
    errors = np.abs(predicted - actual)[:, 1]
    assert found[1]["median_absolute_error"] == pytest.approx(np.median(errors), rel=1e-6)
    assert (errors <= found[1]["absolute_error_90"]).mean() == pytest.approx(0.9)
    assert found[1]["mean_error"] == pytest.approx((predicted - actual)[:, 1].mean(), rel=1e-5)


def test_a_constant_target_explains_nothing(numbers):
    predicted, actual = (np.column_stack([values[:, :1], np.ones(20)]).astype(np.float32) for values in numbers)
    assert r2(predicted, actual) == pytest.approx(metrics.r2_score(actual[:, 0], predicted[:, 0]) / 2, abs=1e-5)
    assert r2(predicted[:, 1:], actual[:, 1:]) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_predictions_that_are_no_numbers_give_finite_metrics(numbers, value):
    predicted, actual = numbers
    predicted[3, 0] = value
    assert np.isfinite([r2(predicted, actual), *mean_errors(predicted, actual).values()]).all()
    assert errors_in_deviations(predicted, actual).argmax() == 3
