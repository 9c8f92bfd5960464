"""Threads that run models beside the event loop, one per CPU core: onnxruntime releases the GIL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

Job = Callable[[], Any]


class WorkerPool:
    """A fixed number of threads; the event loop knows how many are free.

    Args:
        count: Number of threads.
        loop: Event loop that gets the results.
    """

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.count = self.free = count
        self._jobs: SimpleQueue[tuple[Job, Callable[[Any], None]] | None] = SimpleQueue()
        self._loop = loop
        self._threads = [Thread(target=self._work, name=f"worker-{number}", daemon=True) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def run(self, job: Job, done: Callable[[Any], None]) -> None:
        """Run `job`, which must not raise, in a free worker; then call `done` with its result in the event loop."""
        self.free -= 1
        self._jobs.put((job, done))

    def close(self) -> None:
        """Finish the submitted jobs and end the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (submitted := self._jobs.get()) is not None:
            job, done = submitted
            self._loop.call_soon_threadsafe(self._done, done, job())

    def _done(self, done: Callable[[Any], None], result: Any) -> None:  # noqa: ANN401  (what the job returns)
        self.free += 1
        done(result)
