"""The only part that imports mlflow: one run per model and computation, shared by its stages.

What stages use is looked up when it is asked for: a server that follows the registry has neither their settings nor
their libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.tracking.run import TrackedRun, track_model, training_seconds

__all__ = ["TrackedRun", "track_model", "training_seconds"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  (PEP 562)
    if name in __all__:
        return getattr(import_module("penstock.tracking.run"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
