"""Receive the messages of calls, only some at a time: gRPC keeps what has arrived of a message, and counts it nowhere.

The handlers ask for their message themselves. Until then, flow control lets a client send 64 KiB of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from penstock.serving.errors import (
    DeadlineExceededError,
    InputError,
    OverloadedError,
    RequestError,
)
from penstock.serving.runtime.memory_budget import LARGE_BODY, MemoryBudget

MAX_PROMPT = 8  # messages that are received at once; small ones are here already, and take no time
PROMPT_SECONDS = 0.05
MAX_SLOW = 8  # messages that take longer


class _Reading:
    """A message that is being received."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.timer: asyncio.TimerHandle
        self.is_slow = False
        self.refusal: RequestError | None = None

    def refuse(self, error: RequestError) -> None:
        self.refusal = error
        self.task.cancel()


class MessageReceiver:
    """Receive at most `MAX_PROMPT` + `MAX_SLOW` messages at once.

    Args:
        timeout: Seconds for a message to arrive.
        memory: Is told when a message is dropped, whose memory can be given back to the system.
    """

    def __init__(self, timeout: float, memory: MemoryBudget) -> None:
        self._timeout = timeout
        self._memory = memory
        self._prompt = asyncio.Semaphore(MAX_PROMPT)
        self._slow = 0

    async def receive(self, messages: AsyncIterator[bytes]) -> bytes:
        """Return the next message of a call.

        Raises:
            InputError: The call has no further one.
            OverloadedError: It takes long, and so do too many others.
            DeadlineExceededError: It did not arrive in time.
        """
        task = asyncio.current_task()
        assert task is not None, "gRPC runs each handler in a task"
        loop = asyncio.get_running_loop()
        await self._prompt.acquire()
        reading = _Reading(task)
        reading.timer = loop.call_later(PROMPT_SECONDS, self._set_aside, reading)
        try:
            return await anext(messages)
        except StopAsyncIteration:
            raise InputError("the call has no message") from None
        except asyncio.CancelledError:
            if reading.refusal is None:
                raise
            task.uncancel()
            self._memory.freed += LARGE_BODY
            raise reading.refusal from None
        finally:
            reading.timer.cancel()
            if reading.is_slow:
                self._slow -= 1
            else:
                self._prompt.release()

    def _set_aside(self, reading: _Reading) -> None:
        """Make room for others, if there is room for another slow message."""
        if self._slow >= MAX_SLOW:
            reading.refuse(OverloadedError("too many messages arrive slowly; try again"))
            return
        late = DeadlineExceededError("the message did not arrive in time")
        reading.timer = asyncio.get_running_loop().call_later(self._timeout, reading.refuse, late)
        self._slow += 1
        reading.is_slow = True
        self._prompt.release()
