"""Upload an event log while a stage writes it."""

from __future__ import annotations

import time
from pathlib import Path

from penstock.tracking.client import UNREACHABLE, warn_unreachable
from penstock.tracking.spool import discard, uploader_lock
from penstock.tracking.uploader import Uploader, upload_pending_logs

SECONDS_BETWEEN_ATTEMPTS = 10.0


class TailingUploader:
    """Upload the logs of earlier stages, then one log while its stage writes it. Only the first failure is a warning.

    Args:
        log: Event log of the running stage.
        uri: Tracking URI of MLflow.
    """

    def __init__(self, log: Path, uri: str) -> None:
        self.log = log
        self.uri = uri
        self._uploader = Uploader(log, uri)
        self._earlier_logs_uploaded = False
        self._warned = False
        self._next_attempt = 0.0

    def upload_pending(self) -> None:
        """Upload pending events, unless the last attempt failed within `SECONDS_BETWEEN_ATTEMPTS`."""
        if time.monotonic() >= self._next_attempt:
            self._attempt(last=False)

    def finish(self) -> None:
        """Upload the remaining events after the end of the stage. If that fails, a later stage uploads them."""
        self._attempt(last=True)

    def _attempt(self, *, last: bool) -> None:
        try:
            with uploader_lock(self.log.parent, self.uri):
                self._upload()
                if last and self.log.exists():
                    self._uploader.close()
                    discard(self.log)
        except UNREACHABLE as error:  # a timeout of the lock is an OSError too
            self._next_attempt = time.monotonic() + SECONDS_BETWEEN_ATTEMPTS
            if not self._warned:
                warn_unreachable(self.uri, error)
            self._warned = True

    def _upload(self) -> None:
        if not self._earlier_logs_uploaded:
            upload_pending_logs(self.log.parent, self.uri, but=self.log)
            self._earlier_logs_uploaded = True
        if self.log.exists():  # another process may already have uploaded the log of a killed stage
            self._uploader.upload_pending()
