"""Threads that run models beside the event loop, one for each core: onnxruntime works without Python's lock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

Job = Callable[[], Any]


class Lanes:
    """`count` threads; `free` of them have nothing to do, as the event loop knows."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.count = self.free = count
        self._jobs: SimpleQueue[tuple[Job, Callable[[Any], None]] | None] = SimpleQueue()
        self._loop = loop
        self._threads = [Thread(target=self._work, name=f"lane-{number}", daemon=True) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def run(self, job: Job, done: Callable[[Any], None]) -> None:
        """Runs `job` in a free lane, and then, in the event loop, `done` with what it returned; it must not raise."""
        self.free -= 1
        self._jobs.put((job, done))

    def close(self) -> None:
        """Waits until the threads have done what they were given, and ends them."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (given := self._jobs.get()) is not None:
            job, done = given
            self._loop.call_soon_threadsafe(self._done, done, job())

    def _done(self, done: Callable[[Any], None], result: Any) -> None:  # noqa: ANN401  (what the job returns)
        self.free += 1
        done(result)
