"""Tests of the metrics of several labels, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import make_multilabel_classification

from penstock.evaluation.label_metrics import label_metrics, losses_of_rows, macro_f1, scores_of_labels


@pytest.fixture
def answers():
    """Probabilities, predicted and true labels of 300 rows."""
    _, truth = make_multilabel_classification(300, n_classes=4, random_state=0)
    noise = np.random.default_rng(0).normal(size=truth.shape)
    probabilities = (1 / (1 + np.exp(-(2 * truth - 1 + noise)))).astype(np.float32)
    return probabilities, (probabilities >= 0.5).astype(np.int64), truth.astype(np.float32)


def test_metrics_equal_those_of_scikit_learn(answers):
    probabilities, predicted, truth = answers
    found = label_metrics(*answers)
    assert macro_f1(predicted, truth) == pytest.approx(metrics.f1_score(truth, predicted, average="macro"), abs=1e-6)
    assert found["micro_f1"] == pytest.approx(metrics.f1_score(truth, predicted, average="micro"), abs=1e-6)
    assert found["exact_match"] == pytest.approx(metrics.accuracy_score(truth, predicted), abs=1e-6)
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(truth, probabilities, average="macro"), abs=1e-5)
    losses = [metrics.log_loss(truth[:, number], probabilities[:, number]) for number in range(4)]
    assert found["loss"] == pytest.approx(np.mean(losses), abs=1e-5)


def test_each_label_has_its_scores(answers):
    _, predicted, truth = answers
    rows = scores_of_labels(predicted, truth, "abcd")
    assert [row["rows"] for row in rows] == truth.sum(axis=0).tolist()
    assert [row["recall"] for row in rows] == pytest.approx(
        metrics.recall_score(truth, predicted, average=None), abs=1e-6
    )


@pytest.mark.filterwarnings("ignore:No positive samples")
def test_a_label_that_no_row_has_counts_in_f1_but_not_in_auroc(answers):
    probabilities, predicted, truth = (np.column_stack([one, np.zeros(300, one.dtype)]) for one in answers)
    found, without = label_metrics(probabilities, predicted, truth), label_metrics(*answers)
    assert macro_f1(predicted, truth) == pytest.approx(macro_f1(*answers[1:]) * 4 / 5, abs=1e-6)
    assert found["auroc"] == without["auroc"]


def test_a_probability_that_float32_rounds_gives_a_finite_loss():
    losses = losses_of_rows(np.array([[1, 0], [np.nan, 0]], np.float32), np.array([[0, 1], [0, 0]], np.float32))
    assert losses[0] > 50
    assert losses[1] == 0
