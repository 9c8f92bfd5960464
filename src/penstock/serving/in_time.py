"""An answer in time, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from penstock.serving.refusals import TimedOutError

NOT_IN_TIME = "there was no answer in time"

T = TypeVar("T")


async def within(seconds: float, answer: Awaitable[T]) -> T:
    """Raises `TimedOutError` when they are over; nobody waits for the answer any more."""
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise TimedOutError(NOT_IN_TIME) from None
