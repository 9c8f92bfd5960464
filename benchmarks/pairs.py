"""Compute ratios of paired times. Runs alternate, so that other load on the machine slows down both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

# Runs once and returns its own measurement in seconds, without setup.
Timed = Callable[[], float]


@dataclass(frozen=True)
class Ratio:
    """A ratio from paired measurements."""

    value: float
    """Median of the ratios of the pairs."""
    iqr_half: float
    """Half of the interquartile range."""

    @classmethod
    def of(cls, ratios: list[float]) -> Ratio:
        """Summarize the ratios of at least two pairs."""
        lower, _, upper = quantiles(ratios, n=4, method="inclusive")
        return cls(median(ratios), (upper - lower) / 2)


def times_in_turns(pairs: int, *competitors: Timed) -> list[tuple[float, ...]]:
    """Return the seconds of each competitor in each of `pairs` rounds, after one warm-up round."""
    rounds = [tuple(competitor() for competitor in competitors) for _ in range(pairs + 1)]
    return rounds[1:]
