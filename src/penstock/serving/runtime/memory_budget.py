"""Limit the memory of all requests and their answers, over HTTP and gRPC."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from penstock.serving.errors import OverloadedError

LARGE_BODY = 2**20  # bytes
SMALL_BODY = 2**16  # bytes; the C library uses the memory of smaller ones again
MEMORY_FULL = "the bodies of other requests fill the memory; try again"


class MemoryBudget:
    """Count the bytes of bodies, of large inputs and outputs of models, and of large answers.

    Args:
        limit: Maximum, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.freed = 0
        """Bytes that were freed since `take_freed` returned true; the C library may keep them."""

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Count `size` bytes until the block ends.

        Raises:
            OverloadedError: They are more than what is left.
        """
        self.take(size)
        try:
            yield
        finally:
            self.release(size)

    def take(self, size: int) -> int:
        """Count `size` bytes until `release`, and return them.

        Raises:
            OverloadedError: They are more than what is left.
        """
        if self.used + size > self.limit:
            raise OverloadedError(MEMORY_FULL)
        self.used += size
        return size

    def release(self, size: int) -> None:
        """Count `size` bytes no longer."""
        self.used -= size
        if size > SMALL_BODY:
            self.freed += size

    def take_freed(self) -> bool:
        """Return whether much memory was freed; if so, count anew."""
        if self.freed < LARGE_BODY:
            return False
        self.freed = 0
        return True


def release_freed_memory() -> None:
    """Give freed memory back to the system, where the C library is glibc, which keeps it otherwise."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
