"""Upload event logs to MLflow. Uploads are idempotent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from mlflow.exceptions import MlflowException

from penstock.core import console
from penstock.tracking.client import UNREACHABLE, connect, is_rejection
from penstock.tracking.errors import reason_of
from penstock.tracking.run_writer import RunWriter
from penstock.tracking.spool import Event, discard, pending_logs, quarantine, read_events

# The events whose content goes to an artifact store, which may fail where MLflow does not.
WITH_FILE = ("file", "image", "table")
MOST_METRICS = 1000  # of one call of MLflow


class _DeletedRunError(Exception):
    """Somebody has deleted the run that events are written to."""


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
        self._unstored: list[tuple[Event, Exception]] = []
        self._writer: RunWriter | None = None

    def upload_pending(self) -> None:
        """Upload the events that were added since the last call.

        A rejected or malformed event is quarantined with a warning. If somebody has deleted the run, all events of the
        log are uploaded to a new one.

        Raises:
            any of UNREACHABLE: MLflow cannot be used.
        """
        if self._writer is None:
            self._writer = RunWriter(connect(self.uri), self.uri)
        for events, behind in _batches(read_events(self.log, self._offset)):
            try:
                self._write_all(self._writer, events)
            except _DeletedRunError:
                self._writer, self._offset = None, 0
                self.upload_pending()
                return
            self._offset = behind

    def _write_all(self, writer: RunWriter, events: list[Event]) -> None:
        """Write metrics at once: each call of MLflow takes 30 ms. If they are rejected, find out which ones."""
        if len(events) > 1:
            try:
                writer.write_metrics(events)
            except (KeyError, TypeError):
                pass
            except UNREACHABLE as error:
                if not (isinstance(error, MlflowException) and is_rejection(error)):
                    raise
            else:
                return
        for event in events:
            self._write(writer, event)

    def _write(self, writer: RunWriter, event: Event) -> None:
        try:
            writer.write(event)
        except (KeyError, TypeError) as error:
            self._quarantine(event, f"{event.kind}: {reason_of(error)}")
        except UNREACHABLE as error:
            if isinstance(error, MlflowException) and is_rejection(error):
                if writer.run_is_deleted():
                    raise _DeletedRunError from error
                self._quarantine(event, reason_of(error))
            elif event.kind in WITH_FILE:
                connect(self.uri)  # raises where MLflow is unreachable; otherwise only its artifact store fails
                self._unstored.append((event, error))
            else:
                raise

    def finish(self) -> None:
        """End the run, as `KILLED` if its stage ended without an end event, and delete the log.

        Raises:
            any of UNREACHABLE: MLflow cannot be used, or could not store a file. The log stays for a later stage.
        """
        if self._writer is not None:
            events, self._unstored = self._unstored, []
            for event, _ in events:
                self._write(self._writer, event)
            self._close(self._writer)
        if self._unstored:
            raise self._unstored[0][1]
        discard(self.log)

    def _close(self, writer: RunWriter) -> None:
        try:
            writer.close()
        except MlflowException as error:
            if not is_rejection(error):  # a deleted run needs no end
                raise

    def _quarantine(self, event: Event, reason: str) -> None:
        kept = quarantine(self.log, event)
        if not self._warned:
            console.warn(f"MLflow at {self.uri} rejects an event of this stage; it is kept in {kept} ({reason})")
        self._warned = True


def _batches(read: Iterable[tuple[Event, int]]) -> Iterator[tuple[list[Event], int]]:
    """Yield events, successive metrics together, with the offset behind them."""
    batch: list[Event] = []
    end, metrics = 0, 0
    for event, behind in read:
        size = _size(event)
        if batch and (not size or metrics + size > MOST_METRICS):
            yield batch, end
            batch, metrics = [], 0
        if size:
            batch.append(event)
            metrics, end = metrics + size, behind
        else:
            yield [event], behind
    if batch:
        yield batch, end


def _size(event: Event) -> int:
    """Return the number of metrics of an event; 0 if it has none."""
    metrics = event.content.get("metrics") if event.kind == "metrics" and isinstance(event.content, dict) else None
    return len(metrics) if isinstance(metrics, dict) else 0


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
            uploader.finish()
