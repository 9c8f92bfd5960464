"""Upload the events of all stages of `penstock repro` in one process.

Importing MLflow and opening its database takes 4 s of processor time. Outside `penstock repro` each stage starts a
process that does so (`uploader_process`).

    MLFLOW_TRACKING_URI=... python -m penstock.tracking.shared_uploader SPOOL

The end of standard input means that all stages have ended.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.config.params import Config
from penstock.core import console
from penstock.core.paths import Project
from penstock.core.signals import SIGNALS
from penstock.tracking.child_process import finish_uploader, start_uploader
from penstock.tracking.spool import event_logs, is_open, log_label, spool_dir
from penstock.tracking.uri import URI, tracking_uri

LABEL = "PENSTOCK_SHARED_UPLOADER"
SECONDS_BETWEEN_LOOKS = 1.0


@contextmanager
def shared_uploader(project: Project, config: Config) -> Iterator[None]:
    """Upload the events of the stages that run within the block, and wait for the upload at its end."""
    uri = tracking_uri(project, config)
    process = start_uploader("shared_uploader", spool_dir(project), uri)
    os.environ[LABEL] = log_label(spool_dir(project), uri)
    try:
        yield
    finally:
        del os.environ[LABEL]
        if finish_uploader(process) != 0:
            console.warn("the upload to MLflow failed; events stay in .penstock/spool; `penstock results` uploads them")


def has_shared_uploader(spool: Path, uri: str) -> bool:
    """Return whether a process uploads all events for this MLflow, so that a stage only writes them."""
    return os.environ.get(LABEL) == log_label(spool, uri)


def main(spool: Path, uri: str) -> None:
    stopping: list[int] = []
    for number in SIGNALS:
        # Stages get the same signal, and still write their last events.
        signal.signal(number, lambda number, _frame: stopping.append(number))
    uploader = None
    ended = False
    while not ended:
        ready, _, _ = select.select([sys.stdin], [], [], SECONDS_BETWEEN_LOOKS)
        logs = event_logs(spool, uri)
        ended = bool(ready) or (bool(stopping) and not any(map(is_open, logs)))
        if logs and uploader is None:
            from penstock.tracking.tail import SpoolUploader  # imports MLflow

            uploader = SpoolUploader(spool, uri)
        if uploader is not None:
            (uploader.finish if ended else uploader.upload_pending)()


if __name__ == "__main__":
    main(Path(sys.argv[1]), os.environ[URI])
