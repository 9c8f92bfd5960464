"""Upload event logs to MLflow. Uploads are idempotent."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mlflow.exceptions import MlflowException

from penstock.core import console
from penstock.tracking.client import UNREACHABLE, connect, is_rejection
from penstock.tracking.errors import reason_of
from penstock.tracking.run_writer import RunWriter
from penstock.tracking.spool import Event, discard, pending_logs, quarantine, read_events


class Uploader:
    """Upload one event log to MLflow.

    Args:
        log: The event log.
        uri: Tracking URI of MLflow.
    """

    def __init__(self, log: Path, uri: str) -> None:
        self.log = log
        self.uri = uri
        self._offset = 0
        self._warned = False
        self._writer: RunWriter | None = None

    def upload_pending(self) -> None:
        """Upload the events that were added since the last call.

        A rejected or malformed event is quarantined with a warning.

        Raises:
            any of UNREACHABLE: MLflow cannot be used.
        """
        if self._writer is None:
            self._writer = RunWriter(connect(self.uri), self.uri)
        for event, behind in read_events(self.log, self._offset):
            try:
                self._writer.write(event)
            except MlflowException as error:
                if not is_rejection(error):
                    raise
                self._quarantine(event, reason_of(error))
            except (KeyError, TypeError) as error:
                self._quarantine(event, f"{event.kind}: {reason_of(error)}")
            self._offset = behind

    def close(self) -> None:
        """End the run as `KILLED` if its stage ended without an end event.

        Raises:
            any of UNREACHABLE: MLflow cannot be used.
        """
        if self._writer is not None:
            self._writer.close()

    def _quarantine(self, event: Event, reason: str) -> None:
        kept = quarantine(self.log, event)
        if not self._warned:
            console.warn(f"MLflow at {self.uri} rejects an event of this stage; it is kept in {kept} ({reason})")
        self._warned = True


def upload_pending_logs(spool: Path, uri: str, but: Path | None = None) -> None:
    """Upload the logs of ended stages. If the upload of one log fails, a later stage repeats it.

    Args:
        spool: Folder of the event logs.
        uri: Tracking URI of MLflow.
        but: A log to leave out.

    Raises:
        any of UNREACHABLE: MLflow cannot be used.
    """
    logs = [log for log in pending_logs(spool, uri) if log != but]
    if logs:
        connect(uri)
    for log in logs:
        with suppress(*UNREACHABLE):
            uploader = Uploader(log, uri)
            uploader.upload_pending()
            uploader.close()
            discard(log)
