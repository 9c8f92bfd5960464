"""Signals that end a stage: at once, or after it has put away what it has.

A terminal's Ctrl-C, a scheduler's SIGTERM, and SIGUSR1, which SLURM sends ahead of a time limit (`--signal=USR1@60`).
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
    """A signal that ends the stage; no error, and nothing that `except Exception` should hold up."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """As shells have it."""
        return 128 + self.number


class _First:
    """The first signal of a stop. Those that follow at once are of the same stop: a terminal and a scheduler signal a
    whole group of processes, in which parents pass it on. One that follows later comes from somebody who insists."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._at = 0.0

    def take(self, number: int) -> bool:
        """Whether it is the first."""
        first = self.number is None
        if first:
            self.number, self._at = number, time.monotonic()
        return first

    def insists(self) -> bool:
        return time.monotonic() - self._at > SECONDS_OF_ONE_STOP


_first = _First()


def interrupt_at_once() -> None:
    """From here on, a signal raises `Interrupted` wherever the main thread is."""
    for number in SIGNALS:
        signal.signal(number, _interrupt_at_once)


def _interrupt_at_once(number: int, _frame: object) -> None:
    if _first.take(number) or _first.insists():
        raise Interrupted(number)


def interrupt(number: int) -> NoReturn:
    """Raises `Interrupted` for a signal that was noted here, or in another process of this training."""
    _first.take(number)
    raise Interrupted(number)


class DeferredSignal:
    """A signal that waits until somebody looks; one that insists does not wait."""

    def __init__(self) -> None:
        self._first = _First()

    @property
    def number(self) -> int | None:
        return self._first.number

    def listen(self) -> None:
        """Whoever has other handlers to come back to puts them back."""
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: object) -> None:
        if not self._first.take(number) and self._first.insists():
            interrupt(number)


def _all_at_rest(parent: psutil.Process) -> list[psutil.Process]:
    """All that it has begun, suspended: who runs might begin another one now, and end, and leave it to nobody."""
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
    """A signal to this process goes on to all that it has begun, and is answered when they have ended."""
    import psutil  # which a server need not have

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
