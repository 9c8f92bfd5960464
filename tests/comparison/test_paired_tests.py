"""Paired tests: published examples, second implementations, and properties."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from penstock.comparison import paired_tests
from penstock.comparison.paired_tests import compare_means, compare_shares, holm, mcnemar, tango_interval

counts = st.integers(0, 60)
alphas = st.sampled_from([0.01, 0.05, 0.1])


def outcomes(only_first, only_second, rows):
    """Return two columns of bool with these discordant rows; half of the others are right."""
    first, second = np.zeros(rows, bool), np.zeros(rows, bool)
    first[:only_first] = True
    second[only_first : only_first + only_second] = True
    both = slice(only_first + only_second, None, 2)
    first[both] = second[both] = True
    return first, second


def test_airway_example_of_fagerland_lydersen_and_laake():
    """21 children, of whom 1 and 7 changed: McNemar 0.0703, mid-p 0.0391, Tango 0.026 to 0.517."""
    assert mcnemar(1, 7, exact=True) == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar(1, 7, exact=False) == pytest.approx(0.0391, abs=5e-5)
    assert tango_interval(1, 7, 21, 0.05) == pytest.approx((0.026, 0.517), abs=5e-4)


@given(counts, counts)
def test_exact_p_value_is_the_sum_of_the_tails(only_first, only_second):
    rows = only_first + only_second
    tail = sum(math.comb(rows, k) for k in range(min(only_first, only_second) + 1)) / 2**rows
    assert mcnemar(only_first, only_second, exact=True) == pytest.approx(min(1, 2 * tail))


@given(counts, counts)
def test_mid_p_is_smaller_by_the_probability_of_the_observation(only_first, only_second):
    assume(only_first != only_second)
    rows = only_first + only_second
    observed = math.comb(rows, only_first) / 2**rows
    exact, mid = (mcnemar(only_first, only_second, exact=exact) for exact in (True, False))
    assert exact - mid == pytest.approx(observed)


def score_by_likelihood(delta, only_first, only_second, rows):
    """Tango's statistic with the probability that is found by maximizing the likelihood numerically."""

    def loss(probability):
        shares = (probability, probability + delta, 1 - 2 * probability - delta)
        return -sum(
            count * math.log(max(share, 1e-300))
            for count, share in zip((only_first, only_second, rows - only_first - only_second), shares, strict=True)
        )

    bounds = (max(0.0, -delta), (1 - delta) / 2)
    probability = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    variance = rows * (2 * probability + delta * (1 - delta))
    return (only_second - only_first - rows * delta) / math.sqrt(variance)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 100), alphas)
def test_tango_interval_is_where_the_likelihood_gives_the_critical_score(only_first, only_second, others, alpha):
    rows = only_first + only_second + others
    critical = norm.ppf(1 - alpha / 2)
    low, high = tango_interval(only_first, only_second, rows, alpha)
    assert score_by_likelihood(low, only_first, only_second, rows) == pytest.approx(critical, abs=1e-3)
    assert score_by_likelihood(high, only_first, only_second, rows) == pytest.approx(-critical, abs=1e-3)


@given(counts, counts, st.integers(0, 200), alphas)
def test_swapped_models_have_the_mirrored_result(only_first, only_second, others, alpha):
    rows = only_first + only_second + others
    assume(rows)
    first, second = outcomes(only_first, only_second, rows)
    there, back = compare_shares(first, second, alpha), compare_shares(second, first, alpha)
    assert there.p_value == back.p_value
    assert there.difference == -back.difference
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]), abs=1e-7)
    low, high = there.interval
    assert -1 <= low <= there.difference <= high <= 1


def test_exact_below_25_discordant_rows():
    for fewer, is_exact in ((12, True), (13, False)):
        first, second = outcomes(12, fewer, 100)
        assert ("exact" in compare_shares(first, second, 0.05).method) == is_exact


def test_bootstrap_agrees_with_one_by_hand():
    random = np.random.default_rng(7)
    first, second = random.normal(size=300), random.normal(0.2, size=300)
    found = compare_means(first, second, 0.1)
    differences = second - first
    means = [differences[random.integers(0, 300, 300)].mean() for _ in range(20_000)]
    assert found.difference == pytest.approx(differences.mean())
    assert found.interval == pytest.approx(np.quantile(means, [0.05, 0.95]), abs=0.01)
    assert found.p_value == pytest.approx(
        2 * min(np.mean(np.array(means) <= 0), np.mean(np.array(means) >= 0)), abs=0.02
    )


def test_bootstrap_is_the_same_again_and_leaves_the_global_seed():
    first, second = np.arange(50.0), np.arange(50.0)[::-1] * 1.1
    np.random.seed(3)
    drawn = np.random.random()
    np.random.seed(3)
    assert compare_means(first, second, 0.05) == compare_means(first, second, 0.05)
    assert np.random.random() == drawn


@settings(max_examples=20)
@given(st.integers(2, 40), st.floats(0.1, 5))
def test_a_constant_difference_is_certain(rows, shift):
    values = np.arange(float(rows))
    found = compare_means(values, values + shift, 0.05)
    assert found.interval == pytest.approx((shift, shift))
    assert found.p_value == pytest.approx(2 / (paired_tests.RESAMPLES + 1))


@pytest.mark.parametrize("rows", [1, 30])
def test_equal_values_are_no_evidence(rows):
    values = np.arange(float(rows))
    found = compare_means(values, values, 0.05)
    assert (found.interval, found.p_value) == ((0, 0), 1)


def test_holm_by_hand():
    """0.01 * 4, 0.02 * 3, 0.03 * 2, 0.04, none below the one before."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_p_value_and_bonferroni(p_values):
    adjusted = holm(p_values)
    for raw, found in zip(p_values, adjusted, strict=True):
        assert raw <= found <= min(1, raw * len(p_values)) or found == pytest.approx(max(adjusted))
    assert sorted(adjusted) == [adjusted[position] for position in np.argsort(p_values, kind="stable")]
