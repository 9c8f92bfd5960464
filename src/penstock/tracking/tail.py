"""The delivery of a letter that is still being written."""

from __future__ import annotations

import time
from pathlib import Path

from penstock.tracking.spool import discard, uploader_lock
from penstock.tracking.uploader import UNREACHABLE, Uploader, upload_pending_logs, warn_of_absence

SECONDS_BETWEEN_ATTEMPTS = 10.0


class TailingUploader:
    """Delivers what other stages have left, then a letter as it grows. Of failures it says the first."""

    def __init__(self, letter: Path, uri: str) -> None:
        self.letter = letter
        self.uri = uri
        self._delivery = Uploader(letter, uri)
        self._looked_for_others = False
        self._warned = False
        self._next_attempt = 0.0

    def upload_pending(self) -> None:
        """Delivers what there is, unless that failed a moment ago."""
        if time.monotonic() >= self._next_attempt:
            self._attempt(last=False)

    def finish(self) -> None:
        """Delivers the rest; what MLflow cannot be told now stays for a later stage."""
        self._attempt(last=True)

    def _attempt(self, *, last: bool) -> None:
        try:
            with uploader_lock(self.letter.parent, self.uri):
                self._deliver()
                if last:
                    discard(self.letter)
        except UNREACHABLE as error:  # a lock that another one keeps too long is an OSError too
            self._next_attempt = time.monotonic() + SECONDS_BETWEEN_ATTEMPTS
            if not self._warned:
                warn_of_absence(self.uri, error)
            self._warned = True

    def _deliver(self) -> None:
        if not self._looked_for_others:
            upload_pending_logs(self.letter.parent, self.uri, but=self.letter)
            self._looked_for_others = True
        if self.letter.exists():  # where the stage has been killed, another one may have delivered it
            self._delivery.upload_pending()
