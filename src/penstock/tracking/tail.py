"""Upload event logs while stages write them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from penstock.tracking.client import UNREACHABLE, connect, warn_unreachable
from penstock.tracking.spool import event_logs, is_open, uploader_lock
from penstock.tracking.uploader import Uploader, upload_pending_logs

SECONDS_BETWEEN_ATTEMPTS = 10.0


class _Attempts:
    """Attempts to upload, one process at a time. Only the first failure is a warning."""

    def __init__(self, spool: Path, uri: str) -> None:
        self.spool = spool
        self.uri = uri
        self._warned = False
        self._next = 0.0

    def run(self, upload: Callable[[], None], *, now: bool) -> None:
        """Upload, unless the last attempt failed within `SECONDS_BETWEEN_ATTEMPTS` and `now` is not set."""
        if not now and time.monotonic() < self._next:
            return
        try:
            with uploader_lock(self.spool, self.uri):
                upload()
        except UNREACHABLE as error:  # a timeout of the lock is an OSError too
            self._next = time.monotonic() + SECONDS_BETWEEN_ATTEMPTS
            if not self._warned:
                warn_unreachable(self.uri, error)
            self._warned = True


class TailingUploader:
    """Upload the logs of earlier stages, then one log while its stage writes it.

    Args:
        log: Event log of the running stage.
        uri: Tracking URI of MLflow.
    """

    def __init__(self, log: Path, uri: str) -> None:
        self.log = log
        self.uri = uri
        self._uploader = Uploader(log, uri)
        self._attempts = _Attempts(log.parent, uri)
        self._earlier_logs_uploaded = False

    def upload_pending(self) -> None:
        """Upload pending events, unless the last attempt failed a moment ago."""
        self._attempts.run(self._upload, now=False)

    def finish(self) -> None:
        """Upload the remaining events after the end of the stage. If that fails, a later stage uploads them."""
        self._attempts.run(self._upload_all, now=True)

    def _upload(self) -> None:
        if not self._earlier_logs_uploaded:
            upload_pending_logs(self.log.parent, self.uri, but=self.log)
            self._earlier_logs_uploaded = True
        if self.log.exists():  # another process may already have uploaded the log of a killed stage
            self._uploader.upload_pending()

    def _upload_all(self) -> None:
        self._upload()
        if self.log.exists():
            self._uploader.finish()


class SpoolUploader:
    """Upload every event log of a spool, those of running stages included.

    Args:
        spool: Folder of the event logs.
        uri: Tracking URI of MLflow.
    """

    def __init__(self, spool: Path, uri: str) -> None:
        self.spool = spool
        self.uri = uri
        self._uploaders: dict[Path, Uploader] = {}
        self._attempts = _Attempts(spool, uri)

    def upload_pending(self) -> None:
        """Upload pending events, unless the last attempt failed a moment ago."""
        self._attempts.run(self._upload, now=False)

    def finish(self) -> None:
        """Upload all events that stages have written so far. If that fails, a later stage uploads them."""
        self._attempts.run(self._upload, now=True)

    def _upload(self) -> None:
        failures = []
        for log in event_logs(self.spool, self.uri):
            try:
                self._upload_log(log)
            except UNREACHABLE as error:
                failures.append(error)
                connect(self.uri)  # raises where MLflow is unreachable; otherwise only this log cannot be uploaded
        if failures:
            raise failures[0]

    def _upload_log(self, log: Path) -> None:
        ended = not is_open(log)  # asked first: after it, no event is added
        uploader = self._uploaders.setdefault(log, Uploader(log, self.uri))
        uploader.upload_pending()
        if ended:
            uploader.finish()
            del self._uploaders[log]
