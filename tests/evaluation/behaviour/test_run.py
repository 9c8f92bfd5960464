"""Tests of behaviour tests on a classifier whose answers are known."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from penstock.config.behaviour import NoiseTestConfig, OutOfRangeTestConfig
from penstock.data.sources.rows import RawSplit
from penstock.evaluation.behaviour.run import run_behaviour_tests
from penstock.evaluation.results import Predictions
from penstock.evaluation.session import onnx_outputs, open_session
from penstock.io.dataset_info import DatasetInfo
from tests.helpers.compared_models import GOOD, threshold_classifier

ROWS = 40


@pytest.fixture
def predictions():
    """Flowers whose petals have 1.5, 2.4 or 6 cm, and a classifier with borders at 2.5 and 4.85 cm."""
    session = open_session(threshold_classifier(GOOD).SerializeToString())
    flowers = np.ones((3 * ROWS, 4), np.float32)
    flowers[:, 2] = np.tile([1.5, 2.4, 6], ROWS)
    labels = np.tile([0, 0, 2], ROWS)
    info = DatasetInfo(
        dataset="iris", kind="table", shape=(4,), vocab_size=0, classes=("a", "b", "c"), description="flowers"
    )
    inputs: Any = SimpleNamespace(processed=SimpleNamespace(info=info))
    unused: Any = None  # the network and its file
    outputs = onnx_outputs(session, flowers, 256)
    return Predictions(inputs, unused, unused, session, RawSplit(inputs=flowers, labels=labels), flowers, outputs)


def test_only_rows_near_a_border_change_their_label(predictions):
    tests = {"jitter": NoiseTestConfig(kind="noise", std=0.1)}
    report = run_behaviour_tests(tests, predictions)["jitter"].report
    assert report["rows"] == 3 * ROWS
    assert 0 < report["failed_rows"] < ROWS
    assert report["passed"] == pytest.approx(1 - report["failed_rows"] / report["rows"], abs=1e-6)
    assert report["accuracy"] == report["passed"]
    assert report["unperturbed_accuracy"] == 1
    assert {example["row"] % 3 for example in report["examples"]} == {1}
    for example in report["examples"]:
        assert (example["before"], example["after"]) == ("a", "b")
        assert example["probability_after"] < 0.5 < example["probability_before"]
        assert example["input"][2] > GOOD[0]


def test_rows_are_limited_and_the_same_each_time(predictions):
    tests = {"jitter": NoiseTestConfig(kind="noise", std=0.5, rows=20)}
    first, second = (run_behaviour_tests(tests, predictions)["jitter"].report for _ in range(2))
    assert first["rows"] == 20
    assert first == second


def test_numbers_out_of_range_need_valid_probabilities(predictions):
    """A factor near the largest float32 makes logits infinite, and their probabilities NaN."""
    tests = {
        "far": OutOfRangeTestConfig(kind="out_of_range", factor=1e3),
        "too_far": OutOfRangeTestConfig(kind="out_of_range", factor=5e37),
    }
    results = run_behaviour_tests(tests, predictions)
    assert results["far"].report["passed"] == 1
    assert results["too_far"].report["passed"] < 1
