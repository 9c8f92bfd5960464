"""Tests of the comparison of two sets of outputs."""

import numpy as np
import pytest

from penstock.evaluation.parity import max_abs_diff


def outputs(value):
    return {"probabilities": np.array([[0.25, value]], np.float32), "label": np.array([1])}


@pytest.mark.parametrize(
    ("difference", "reported"), [(0, 0), (1.2e-7, 1e-6), (2.4e-7, 1e-6), (1.5e-6, 2e-6), (0.25, 0.25), (255, 255)]
)
def test_differences_are_rounded_up_to_a_whole_millionth(difference, reported):
    assert max_abs_diff(outputs(0), outputs(difference)) == reported


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_counts_as_the_largest(value):
    assert max_abs_diff(outputs(0), outputs(value)) > 1e38
