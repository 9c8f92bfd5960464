"""Upload the event log of a stage in a separate process, which `penstock.tracking.run` starts.

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
    # The stage handles signals and still writes its last events. Standard input is closed when it exits.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    from penstock.tracking.tail import TailingUploader  # importing MLflow takes seconds, in which a signal may arrive

    uploader = TailingUploader(log, uri)
    for _ in sys.stdin.buffer:
        uploader.upload_pending()
    uploader.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), os.environ[URI])
