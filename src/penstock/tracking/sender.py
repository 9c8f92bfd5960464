"""The process beside a stage that tells MLflow what the stage writes down; `penstock.tracking.run` starts it.

    MLFLOW_TRACKING_URI=... python -m penstock.tracking.sender LETTER

A line on standard input says that the letter has grown; its end, that the stage is over, one way or the other.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from penstock.tracking.delivery import (
    UNREACHABLE,
    Delivery,
    RefusedError,
    deliver_left_letters,
    warn_of_absence,
    warn_of_refusal,
)
from penstock.tracking.outbox import discard
from penstock.tracking.run import URI

SECONDS_BETWEEN_ATTEMPTS = 10.0


class Sender:
    """Delivers what other stages have left, then a letter that still grows. Of failures it says the first."""

    def __init__(self, letter: Path, uri: str) -> None:
        self.letter = letter
        self.uri = uri
        self._delivery = Delivery(letter, uri)
        self._looked_for_others = False
        self._refused = False
        self._warned = False
        self._next_attempt = 0.0

    def go_on(self) -> None:
        """Delivers what there is, unless that failed a moment ago."""
        if time.monotonic() >= self._next_attempt:
            self._deliver()

    def finish(self) -> None:
        """Delivers the rest; what MLflow cannot be told now stays for the next stage."""
        if self._deliver():
            discard(self.letter)

    def _deliver(self) -> bool:
        if self._refused:
            return False
        try:
            if not self._looked_for_others:
                deliver_left_letters(self.letter.parent, self.uri)
                self._looked_for_others = True
            self._delivery.go_on()
        except RefusedError as error:
            self._refused = True
            warn_of_refusal(self.uri, self.letter, error)
            return False
        except UNREACHABLE as error:
            self._next_attempt = time.monotonic() + SECONDS_BETWEEN_ATTEMPTS
            if not self._warned:
                warn_of_absence(self.uri, error)
            self._warned = True
            return False
        return True


def main(letter: Path, uri: str) -> None:
    # Ctrl-C is for the stage, whose last words still have to arrive.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender = Sender(letter, uri)
    for _ in sys.stdin.buffer:
        sender.go_on()
    sender.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), os.environ[URI])
