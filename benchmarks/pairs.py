"""Ratios of paired times. Runs alternate, so that other load on the machine slows both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

# Runs once and returns the seconds that it measured itself, without set-up.
Timed = Callable[[], float]


@dataclass(frozen=True)
class Ratio:
    """A ratio that was measured in pairs."""

    value: float
    """Median of the pairs' ratios."""
    iqr_half: float
    """Half of the distance between their quartiles."""

    @classmethod
    def of(cls, ratios: list[float]) -> Ratio:
        """Summarize the ratios of at least two pairs."""
        lower, _, upper = quantiles(ratios, n=4, method="inclusive")
        return cls(median(ratios), (upper - lower) / 2)


def times_in_turns(pairs: int, *competitors: Timed) -> list[tuple[float, ...]]:
    """Return the seconds of each competitor in each of `pairs` rounds, after one warm-up round."""
    rounds = [tuple(competitor() for competitor in competitors) for _ in range(pairs + 1)]
    return rounds[1:]
