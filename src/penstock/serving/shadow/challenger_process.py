"""Start the process of a challenger, and exchange messages with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing import Pipe
from typing import Any

from penstock.core.errors import PenstockError
from penstock.serving.shadow.messages import Source

COMMAND = [sys.executable, "-P", "-m", "penstock.serving.shadow.process"]


class ChallengerProcess:
    """A process that runs one challenger.

    Args:
        source: Where the challenger is.
    """

    def __init__(self, source: Source) -> None:
        self._socket, other = Pipe()
        with other:
            # In a session of its own, so that Ctrl-C reaches the server only, which ends this process.
            self._process = subprocess.Popen(
                [*COMMAND, str(other.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a library prints is no output of the server
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
                pass_fds=[other.fileno()],
                start_new_session=True,
            )
        self._source = source
        self._is_told = False

    def ask(self, message: object, seconds: float) -> Any:  # noqa: ANN401  (what the process answers)
        """Return the answer to a message.

        Raises:
            PenstockError: The process has ended, or does not answer within `seconds`.
        """
        try:
            if not self._is_told:
                self._is_told = True
                self._socket.send(self._source)
            self._socket.send(message)
            if self._socket.poll(seconds):
                return self._socket.recv()
        except (OSError, EOFError):
            raise PenstockError(f"its process ended {self._how_it_ended()}") from None
        raise PenstockError(f"no answer within {seconds:g} s")

    def kill(self) -> None:
        """End the process at once; a thread in `ask` gets an error."""
        self._process.kill()

    def close(self) -> None:
        """End the process, and free its resources; no thread is in `ask`."""
        self.kill()
        self._process.wait()
        self._socket.close()

    def _how_it_ended(self) -> str:
        code = self._process.wait()
        with suppress(ValueError):
            if code < 0:
                return f"by {signal.Signals(-code).name}"
        return f"with exit code {code}"
