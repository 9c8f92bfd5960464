"""Networks trained by Lightning: what a step does, what an epoch leaves behind, and what comes out.

Lightning is imported here, and without torchmetrics, which takes longer to import than Iris to train: Lightning needs
two of its names to look whether a logged value is a metric, and nothing here is logged through it (`Totals` says why).
A module that wants `LightningModule.log` has to import torchmetrics before this package.
"""

import importlib
import sys
from types import ModuleType


def _import_lightning_without_torchmetrics() -> None:
    name = "torchmetrics"
    if name in sys.modules or "pytorch_lightning" in sys.modules:
        return
    stand_in = ModuleType(name)
    stand_in.__dict__.update(Metric=type("Metric", (), {}), MetricCollection=type("MetricCollection", (), {}))
    sys.modules[name] = stand_in
    try:
        importlib.import_module("pytorch_lightning")
    finally:
        # Whoever imports it from here on gets the real one.
        del sys.modules[name]


_import_lightning_without_torchmetrics()
