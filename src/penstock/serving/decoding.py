"""Threads that decode pictures beside the event loop, of all requests together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from penstock.serving.in_time import within
from penstock.serving.refusals import OverloadedError

# Each holds one large picture in memory.
THREADS = 2

T = TypeVar("T")


class Decoding:
    """Pictures wait in the event loop for a thread that is free, so one whose caller has gone is forgotten at once."""

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._waiting = 0
        self._threads = ThreadPoolExecutor(THREADS, "decoding")
        self._free = asyncio.Semaphore(THREADS)

    async def run(self, decode: Callable[[], T], seconds: float) -> T:
        """What `decode` returns, or raises.

        Raises:
            OverloadedError: as many pictures are waiting as may wait.
            TimedOutError: it has not returned in so many seconds.
        """
        return await within(seconds, self._run(decode))

    def close(self) -> None:
        """Waits until the threads have done what they were given, and ends them."""
        self._threads.shutdown()

    async def _run(self, decode: Callable[[], T]) -> T:
        await self._wait()
        loop = asyncio.get_running_loop()
        job = self._threads.submit(decode)
        # Not when the caller goes: until the thread itself has done, it is not free.
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._free.release))
        return await asyncio.wrap_future(job)

    async def _wait(self) -> None:
        if self._waiting >= self._most_waiting:
            raise OverloadedError(f"{self._waiting} pictures are waiting already")
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
