"""What the name of a metric says: the part before the slash is its section in MLflow's charts (docs/metrics.md)."""

from __future__ import annotations

_TIMED = ("time/", "latency/", "int8/latency_")
_SPLITS = {"train": "train", "validation": "val", "test": "test"}
_RENAMED = {"val/real_score": "val/d_real", "val/drawn_score": "val/d_fake"}


def is_timed(name: str) -> bool:
    """Return whether a metric is a duration or a rate: every measurement gives another value."""
    return name.startswith(_TIMED)


def slashed(name: str) -> str:
    """Return MLflow's name of a metric: `train/loss` for `train_loss`."""
    split, _, metric = name.partition("_")
    slashed = f"{_SPLITS[split]}/{metric}" if split in _SPLITS else name
    return _RENAMED.get(slashed, slashed)
