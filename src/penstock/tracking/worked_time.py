"""Record how long stages worked on a run. MLflow's Duration would include the time between stages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class WorkedTime:
    """Total of the intervals in which stages worked on a run.

    Adding an interval twice has no effect, so an event log can be uploaded twice.
    """

    intervals: tuple[tuple[int, int], ...] = ()
    """Disjoint, ascending intervals in milliseconds since the run was created."""

    @classmethod
    def parse(cls, text: str) -> WorkedTime:
        """Parse the output of `str`, such as `0-94000 120000-123000`."""
        pairs = (interval.split("-") for interval in text.split())
        return cls(tuple((int(begin), int(end)) for begin, end in pairs))

    def add(self, begin: int, end: int) -> WorkedTime:
        """Return the union with another interval, in milliseconds."""
        return WorkedTime(tuple(_merged(sorted([*self.intervals, (begin, end)]))))

    @property
    def total(self) -> int:
        """Time worked, in milliseconds."""
        return sum(end - begin for begin, end in self.intervals)

    def __str__(self) -> str:
        return " ".join(f"{begin}-{end}" for begin, end in self.intervals)


def _merged(intervals: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in intervals:
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged
