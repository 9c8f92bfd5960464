"""Signals that end a stage: at once, or after it has put away what it has.

A terminal's Ctrl-C, a scheduler's SIGTERM, and SIGUSR1, which SLURM sends ahead of a time limit (`--signal=USR1@60`).
"""

from __future__ import annotations

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interrupted(BaseException):
    """A signal that ends the stage; no error, and nothing that `except Exception` should hold up."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """As shells have it."""
        return 128 + self.number


class _Interrupting:
    """Raises `Interrupted` at the first signal, and at each further one of the same kind: somebody insists.

    Another kind is of the same stop, such as the SIGTERM of a parent that got the same Ctrl-C, and must not disturb the
    putting away.
    """

    def __init__(self) -> None:
        self.first: int | None = None

    def __call__(self, number: int, _frame: object = None) -> None:
        self.first = self.first or number
        if number == self.first:
            raise Interrupted(number)


_interrupting = _Interrupting()


def interrupt_at_once() -> None:
    """From here on, a signal raises `Interrupted` wherever the main thread is."""
    for number in SIGNALS:
        signal.signal(number, _interrupting)


class NotedSignal:
    """A signal that waits until somebody looks; the same one again does not wait."""

    def __init__(self) -> None:
        self._number: int | None = None

    def listen(self) -> None:
        """Whoever has other handlers to come back to puts them back."""
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: object) -> None:
        if self._number == number:
            raise Interrupted(number)
        self._number = self._number or number

    def __bool__(self) -> bool:
        return self._number is not None

    def interrupt(self) -> None:
        """Raises `Interrupted`, for SIGTERM where the signal came to another process of this training."""
        _interrupting.first = self._number or signal.SIGTERM
        raise Interrupted(_interrupting.first)
