"""Ratios of times that are taken in turns, so that whatever slows the machine slows both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

# Seconds of one run, which the callable measures itself: what comes before and after is not counted.
Timed = Callable[[], float]


@dataclass(frozen=True)
class Ratio:
    """Median of the pairs' ratios, and half of the distance between their quartiles."""

    value: float
    spread: float

    @classmethod
    def of(cls, ratios: list[float]) -> Ratio:
        lower, _, upper = quantiles(ratios, n=4, method="inclusive")
        return cls(median(ratios), (upper - lower) / 2)


def times_in_turns(pairs: int, *contenders: Timed) -> list[tuple[float, ...]]:
    """Seconds of each contender, `pairs` times, after one round that warms everything up."""
    rounds = [tuple(contender() for contender in contenders) for _ in range(pairs + 1)]
    return rounds[1:]
