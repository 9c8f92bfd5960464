"""The process beside a stage that uploads its event log; `penstock.tracking.run` starts it.

    MLFLOW_TRACKING_URI=... python -m penstock.tracking.uploader_process LOG

A line on standard input means that the log has grown. The end of standard input means that the stage has ended.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from penstock.core.signals import SIGNALS
from penstock.tracking.uri import URI


def main(log: Path, uri: str) -> None:
    # Signals are for the stage, whose last events are still to come. Standard input ends in any case.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    from penstock.tracking.tail import TailingUploader  # imports MLflow for seconds, in which a signal may come

    uploader = TailingUploader(log, uri)
    for _ in sys.stdin.buffer:
        uploader.upload_pending()
    uploader.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), os.environ[URI])
