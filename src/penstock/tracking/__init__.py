"""The only part that imports mlflow: one run per model and computation, shared by its stages."""

from penstock.tracking.run import TrackedRun, track_model, tracking_uri, training_seconds

__all__ = ["TrackedRun", "track_model", "tracking_uri", "training_seconds"]
