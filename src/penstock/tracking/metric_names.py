"""Interpret names of metrics. The part before the slash is the section in MLflow's charts (docs/metrics.md)."""

from __future__ import annotations

_TIMED = ("time/", "latency/", "int8/latency_")


def is_timed(name: str) -> bool:
    """Return whether a metric is a duration or a rate, whose value differs between measurements."""
    return name.startswith(_TIMED)
