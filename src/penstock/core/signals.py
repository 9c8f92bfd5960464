"""Handle signals that end a stage, at once or after it has written a checkpoint.

The signals are SIGINT (Ctrl-C), SIGTERM (schedulers), and SIGUSR1, which SLURM sends before a time limit
(`--signal=USR1@60`).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
SECONDS_OF_ONE_STOP = 2.0


class Interrupted(BaseException):
    """A signal that ends the stage. It is no `Exception`, so that `except Exception` does not catch it.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """128 plus the number of the signal, the convention of shells."""
        return 128 + self.number


class _First:
    """The first signal of a stop.

    Signals within `SECONDS_OF_ONE_STOP` after it belong to the same stop: a terminal and a scheduler signal a whole
    process group, in which parents also forward the signal. A later signal is a second request of the user.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._at = 0.0

    def take(self, number: int) -> bool:
        """Record a signal; return whether it is the first one."""
        first = self.number is None
        if first:
            self.number, self._at = number, time.monotonic()
        return first

    def insists(self) -> bool:
        """Return whether a signal that arrives now is a second request, not part of the first stop."""
        return time.monotonic() - self._at > SECONDS_OF_ONE_STOP


_first = _First()


def interrupt_at_once() -> None:
    """Make every later signal raise `Interrupted` in the main thread."""
    for number in SIGNALS:
        signal.signal(number, _interrupt_at_once)


def _interrupt_at_once(number: int, _frame: object) -> None:
    if _first.take(number) or _first.insists():
        raise Interrupted(number)


def interrupt(number: int) -> NoReturn:
    """Raise `Interrupted` for a deferred signal of this process or of another process of the same training."""
    _first.take(number)
    raise Interrupted(number)


class DeferredSignal:
    """A signal that is stored until `number` is read. A second request interrupts at once."""

    def __init__(self) -> None:
        self._first = _First()

    @property
    def number(self) -> int | None:
        """The first signal, or None."""
        return self._first.number

    def listen(self) -> None:
        """Install the handlers. The caller restores other handlers itself."""
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: object) -> None:
        if not self._first.take(number) and self._first.insists():
            interrupt(number)


def _all_at_rest(parent: psutil.Process) -> list[psutil.Process]:
    """Suspend and return all descendants of a process.

    Otherwise a child could start another process and exit, and that process could not be found by its parent.
    """
    import psutil

    at_rest: list[psutil.Process] = []
    while others := [child for child in parent.children(recursive=True) if child not in at_rest]:
        for child in others:
            with suppress(psutil.NoSuchProcess):
                child.suspend()
        at_rest += others
    return at_rest


@contextmanager
def children_interrupted_with_us() -> Iterator[None]:
    """Forward a signal to all descendants of this process, and raise `Interrupted` after they have exited."""
    import psutil  # not installed with the server alone

    before = {number: signal.getsignal(number) for number in SIGNALS}
    interrupt_at_once()
    try:
        yield
    except Interrupted as interruption:
        children = _all_at_rest(psutil.Process())
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.send_signal(interruption.number)
                child.resume()
        psutil.wait_procs(children)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
