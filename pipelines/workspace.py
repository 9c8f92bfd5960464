"""Make a stage run the code of its own workspace, whichever copy of penstock the environment has installed.

DVC runs queued experiments in copies of the workspace, and several checkouts may share one environment. Every script
imports this module before penstock. Processes that a stage starts find the same code by PYTHONPATH.
"""

import os
import sys
from pathlib import Path

SOURCE = str(Path(__file__).resolve().parents[1] / "src")

sys.path.insert(0, SOURCE)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")]))
