"""Test whether two models differ on the same rows.

- McNemar's test for shares of correct rows: exact below `EXACT_BELOW` discordant rows, mid-p otherwise (Fagerland,
  Lydersen and Laake, 2013, BMC Medical Research Methodology 13:91).
- Tango's score interval for the difference of two paired shares (Tango, 1998, Statistics in Medicine 17:891).
- The percentile bootstrap of the mean of paired differences, or of the difference of two functions of means (Efron and
  Tibshirani, 1993, chapter 13).
- Holm's correction for several comparisons (Holm, 1979, Scandinavian Journal of Statistics 6:65).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom, bootstrap, norm

EXACT_BELOW = 25
RESAMPLES, SEED = 4999, 0
# Indices that one batch of resamples draws: 80 MB.
BATCH_INDICES = 10_000_000
BOOTSTRAP = f"paired bootstrap ({RESAMPLES:,} resamples, percentile interval)"


@dataclass(frozen=True)
class PairedTest:
    """Difference of the means of two models on the same rows, second minus first."""

    method: str
    """The test and the interval, for readers."""
    difference: float
    interval: tuple[float, float]
    """Confidence interval of the difference, at 1 - alpha."""
    p_value: float
    """Two-sided, of the hypothesis that there is no difference."""


def compare_values(first: NDArray[Any], second: NDArray[Any], alpha: float) -> PairedTest:
    """Compare the means of a value per row: shares if the values are bool [rows], else float64 [rows]."""
    test = compare_shares if first.dtype == np.bool_ else compare_means
    return test(first, second, alpha)


def compare_shares(first: NDArray[np.bool_], second: NDArray[np.bool_], alpha: float) -> PairedTest:
    """Compare the shares of true rows.

    Args:
        first: bool [rows], such as whether the first model is right.
        second: bool [rows] of the second model.
        alpha: Significance level.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    exact = only_first + only_second < EXACT_BELOW
    return PairedTest(
        method=f"McNemar's test ({'exact' if exact else 'mid-p'}), Tango's score interval",
        difference=(only_second - only_first) / len(first),
        interval=tango_interval(only_first, only_second, len(first), alpha),
        p_value=mcnemar(only_first, only_second, exact=exact),
    )


def compare_means(first: NDArray[np.float64], second: NDArray[np.float64], alpha: float) -> PairedTest:
    """Compare the means of a value per row by the paired bootstrap, with a fixed seed.

    Args:
        first: float64 [rows], such as the squared error of the first model.
        second: float64 [rows] of the second model.
        alpha: Significance level.
    """
    differences = second - first
    mean = float(differences.mean())
    if len(differences) < 2 or not differences.any():
        return PairedTest("paired bootstrap", mean, (mean, mean), 1.0)
    found = bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, BATCH_INDICES // len(differences)),
        confidence_level=1 - alpha,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    return PairedTest(
        method=BOOTSTRAP,
        difference=mean,
        interval=(float(found.confidence_interval.low), float(found.confidence_interval.high)),
        p_value=_two_sided(found.bootstrap_distribution),
    )


def compare_functions(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    alpha: float,
) -> PairedTest:
    """Compare a function of means, such as the F1 score, by the paired bootstrap, with a fixed seed.

    Args:
        first: Values of the first model, float64 [rows, ...].
        second: Those of the second model.
        function: Function of the means over the rows, [..., *shape of a row], to the score, [...].
        alpha: Significance level.
    """
    rows = len(first)
    difference = float(function(second.mean(axis=0)) - function(first.mean(axis=0)))
    if rows < 2 or np.array_equal(first, second):
        return PairedTest("paired bootstrap", difference, (difference, difference), 1.0)
    generator = np.random.default_rng(SEED)
    batch = max(1, BATCH_INDICES // rows)
    drawn = [
        _resampled(generator, min(batch, RESAMPLES - start), first, second, function)
        for start in range(0, RESAMPLES, batch)
    ]
    differences = np.concatenate(drawn)
    low, high = np.quantile(differences, [alpha / 2, 1 - alpha / 2])
    return PairedTest(BOOTSTRAP, difference, (float(low), float(high)), _two_sided(differences))


def _resampled(
    generator: np.random.Generator,
    count: int,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return the difference of the scores in resamples of the rows, float64 [count]."""
    rows = len(first)
    shares = generator.multinomial(rows, np.full(rows, 1 / rows), size=count) / rows
    one, other = (
        function((shares @ values.reshape(rows, -1)).reshape(count, *values.shape[1:])) for values in (first, second)
    )
    return other - one


def _two_sided(differences: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of a bootstrap distribution of differences."""
    tail = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (RESAMPLES + 1))


def mcnemar(only_first: int, only_second: int, *, exact: bool) -> float:
    """Return the two-sided p-value of McNemar's test.

    Args:
        only_first: Rows that only the first model has right.
        only_second: Rows that only the second model has right.
        exact: Whether to sum the whole tail of the binomial distribution; mid-p counts half of the observed value.
    """
    fewer, rows = min(only_first, only_second), only_first + only_second
    tail = binom.cdf(fewer, rows, 0.5)
    if not exact:
        tail -= binom.pmf(fewer, rows, 0.5) / 2
    return min(1.0, float(2 * tail))


def tango_interval(only_first: int, only_second: int, rows: int, alpha: float) -> tuple[float, float]:
    """Return the confidence interval of the difference of two paired shares, second minus first.

    Args:
        only_first: Rows that only the first model has right.
        only_second: Rows that only the second model has right.
        rows: All rows.
        alpha: 1 minus the confidence level.
    """
    critical = float(norm.ppf(1 - alpha / 2))
    difference = (only_second - only_first) / rows

    def score(delta: float) -> float:
        return _tango_score(delta, only_first, only_second, rows)

    low = -1.0 if difference == -1 else _root(lambda delta: score(delta) - critical, -1.0, difference)
    high = 1.0 if difference == 1 else _root(lambda delta: score(delta) + critical, difference, 1.0)
    return low, high


def _tango_score(delta: float, only_first: int, only_second: int, rows: int) -> float:
    """Return Tango's score statistic of the hypothesis that the difference is `delta`; it decreases in `delta`."""
    linear = -only_second - only_first + (2 * rows - only_second + only_first) * delta
    constant = -only_first * delta * (1 - delta)
    # The estimate, under the hypothesis, of the probability that only the first model is right.
    estimate = (math.sqrt(max(0.0, linear**2 - 8 * rows * constant)) - linear) / (4 * rows)
    variance = rows * (2 * estimate + delta * (1 - delta))
    distance = only_second - only_first - rows * delta
    if variance <= 0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    # Just inside the interval: at -1 and 1 the variance is 0, and the statistic infinite.
    inside = 1e-12
    return float(brentq(function, max(low, -1 + inside), min(high, 1 - inside), xtol=1e-10))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that are adjusted for their number, in the same order."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = largest
    return adjusted
