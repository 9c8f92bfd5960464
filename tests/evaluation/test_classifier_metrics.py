"""Tests of the metrics of a classifier, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from penstock.evaluation.classifier_metrics import class_metrics, classifier_metrics, reliability


@pytest.fixture
def answers():
    """Probabilities, predictions and labels of 500 rows and four classes, of which the last has no row."""
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=500)
    logits = generator.normal(size=(500, 4)) + 1.5 * np.eye(4)[labels]
    shares = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    return shares, shares.argmax(axis=1), labels


@pytest.mark.filterwarnings("ignore:No positive samples")
def test_metrics_equal_those_of_scikit_learn(answers):
    shares, predicted, labels = answers
    found, present = classifier_metrics(*answers), {"labels": [0, 1, 2], "zero_division": 0}
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro", **present), abs=1e-6)
    aurocs = [roc_auc_score(labels == number, shares[:, number]) for number in range(3)]
    assert found["auroc"] == pytest.approx(np.mean(aurocs), abs=1e-5)
    precision = precision_score(labels, predicted, average=None, **present)
    assert found["smallest_class_precision"] == pytest.approx(precision.min(), abs=1e-6)
    recall = recall_score(labels, predicted, average=None, **present)
    assert found["smallest_class_recall"] == pytest.approx(recall.min(), abs=1e-6)


def test_metrics_by_class_leave_out_a_class_without_rows(answers):
    _, predicted, labels = answers
    rows = class_metrics(predicted, labels, "abcd")
    assert [row["slice"] for row in rows] == ["a", "b", "c"]
    assert sum(row["rows"] for row in rows) == 500
    assert rows[1]["recall"] == pytest.approx((predicted[labels == 1] == 1).mean(), abs=1e-6)


@pytest.mark.filterwarnings("ignore:No positive samples")
def test_the_bins_of_the_reliability_diagram_give_the_calibration_error(answers):
    shares, _, labels = answers
    bins = reliability(shares, labels)
    assert sum(each["rows"] for each in bins) == 500
    assert all(each["from"] <= each["confidence"] <= each["to"] for each in bins)
    gaps = [each["rows"] * abs(each["accuracy"] - each["confidence"]) for each in bins]
    assert classifier_metrics(*answers)["expected_calibration_error"] == pytest.approx(sum(gaps) / 500, abs=1e-5)


@pytest.mark.filterwarnings("ignore:No positive samples")
def test_one_infinity_changes_the_metrics_of_its_own_row_only(answers):
    shares, predicted, labels = answers
    certain = shares.copy()
    certain[0], certain[0, labels[0]] = 0, 1
    infinite = certain.copy()
    infinite[0, labels[0]] = np.inf
    assert classifier_metrics(infinite, predicted, labels) == classifier_metrics(certain, predicted, labels)


def test_probabilities_that_are_not_finite_are_measured():
    shares = np.full((4, 2), np.nan, np.float32)
    found = classifier_metrics(shares, np.zeros(4, np.int64), np.array([0, 1, 0, 1]))
    assert found["auroc"] == 0.5
    assert reliability(shares, np.array([0, 1, 0, 1])) == [
        {"from": 0.0, "to": 0.066667, "rows": 4, "confidence": 0.0, "accuracy": 0.5}
    ]
