"""Lightning is imported without torchmetrics, and whoever wants that one still gets it."""

import subprocess
import sys


def test_torchmetrics_is_not_imported_and_can_still_be():
    script = """
import sys
import penstock.training
assert "pytorch_lightning" in sys.modules and "torchmetrics" not in sys.modules
from torchmetrics import MeanMetric
assert MeanMetric(2.0) is not None
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)
