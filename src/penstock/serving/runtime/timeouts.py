"""Timeouts of awaitables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from penstock.serving.errors import DeadlineExceededError

NO_ANSWER_IN_TIME = "no answer within the time limit"

T = TypeVar("T")


async def with_timeout(seconds: float, answer: Awaitable[T]) -> T:
    """Await an answer, and cancel it after `seconds`.

    Raises:
        DeadlineExceededError: There was no answer by then.
    """
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise DeadlineExceededError(NO_ANSWER_IN_TIME) from None
