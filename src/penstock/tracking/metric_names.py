"""What the name of a metric says: the part before the slash is its section in MLflow's charts (docs/metrics.md)."""

from __future__ import annotations

_TIMED = ("time/", "latency/", "int8/latency_")


def is_timed(name: str) -> bool:
    """Return whether a metric is a duration or a rate: every measurement gives another value."""
    return name.startswith(_TIMED)
