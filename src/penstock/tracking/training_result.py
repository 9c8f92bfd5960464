"""What a training gave, as searches compare it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingResult:
    """The validation metrics of a training after its best epoch, or why it failed."""

    score: float | None
    """None if the training failed."""
    loss: float | None = None
    epoch: int = 0
    """The best epoch."""
    epochs: int = 0
    """Number of epochs trained."""
    seconds: float = 0.0
    reason: str | None = None
    """Why the training failed."""
    run: str = ""
    """ID of its MLflow run, if the result was found there."""
    study: str = ""
    """Study that this run is a trial of."""
