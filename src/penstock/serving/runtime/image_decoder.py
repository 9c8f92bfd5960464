"""Threads that decode images beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from penstock.core.plurals import counted
from penstock.serving.errors import OverloadedError
from penstock.serving.runtime.timeouts import with_timeout

# Each may hold one large image in memory.
THREADS = 2

T = TypeVar("T")


class ImageDecoder:
    """Decode the images of all requests; those that wait do so in the event loop, where they can be cancelled.

    Args:
        max_queue_size: Images that may wait.
    """

    def __init__(self, max_queue_size: int) -> None:
        self._max_queue_size = max_queue_size
        self._queue_size = 0
        self._threads = ThreadPoolExecutor(THREADS, "image-decoder")
        self._free = asyncio.Semaphore(THREADS)

    async def run(self, decode: Callable[[], T], seconds: float) -> T:
        """Return what `decode` returns, or raise what it raises.

        Raises:
            OverloadedError: The queue is full.
            DeadlineExceededError: It has not finished after `seconds`.
        """
        return await with_timeout(seconds, self._run(decode))

    def close(self) -> None:
        """Finish the submitted images and end the threads."""
        self._threads.shutdown()

    async def _run(self, decode: Callable[[], T]) -> T:
        await self._wait()
        loop = asyncio.get_running_loop()
        job = self._threads.submit(decode)
        # A thread is free when it has finished, not when its client disconnects.
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._free.release))
        return await asyncio.wrap_future(job)

    async def _wait(self) -> None:
        if self._queue_size >= self._max_queue_size:
            raise OverloadedError(f"{counted(self._queue_size, 'image is', 'images are')} in the queue already")
        self._queue_size += 1
        try:
            await self._free.acquire()
        finally:
            self._queue_size -= 1
