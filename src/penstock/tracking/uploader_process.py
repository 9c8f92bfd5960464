"""The process beside a stage that tells MLflow what the stage writes down; `penstock.tracking.run` starts it.

    MLFLOW_TRACKING_URI=... python -m penstock.tracking.uploader_process LETTER

A line on standard input says that the letter has grown; its end, that the stage is over, one way or the other.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from penstock.core.signals import SIGNALS
from penstock.tracking.uri import URI


def main(letter: Path, uri: str) -> None:
    # They are for the stage, whose last words still have to arrive; the end of standard input comes in any case.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    from penstock.tracking.tail import TailingUploader  # seconds for MLflow, in which signals may come already

    growing = TailingUploader(letter, uri)
    for _ in sys.stdin.buffer:
        growing.upload_pending()
    growing.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), os.environ[URI])
