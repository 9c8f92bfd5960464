"""Disable the telemetry of the libraries that Penstock uses.

DVC's own settings are in .dvc/config as well, because plain `dvc` does not import Penstock.
"""

from __future__ import annotations

import os
import sys
import warnings

ONNXRUNTIME = "ORT_DISABLE_TELEMETRY"
VARIABLES = {ONNXRUNTIME: "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DVC_NO_ANALYTICS": "1"}


def disable_telemetry() -> None:
    """Set the variables that disable telemetry, for this process and its children. A value of the user has precedence.

    onnxruntime reads its variable only when it is imported, so an earlier import gives a warning.
    """
    if "onnxruntime" in sys.modules and ONNXRUNTIME not in os.environ:
        warnings.warn(
            f"onnxruntime was imported before penstock, and may report its use to Microsoft: "
            f"import penstock first, or set {ONNXRUNTIME}=1",
            RuntimeWarning,
            stacklevel=3,
        )
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
