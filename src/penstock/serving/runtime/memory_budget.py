"""Limit the memory of all request bodies, over HTTP and gRPC."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from penstock.serving.errors import OverloadedError

LARGE_BODY = 2**20  # bytes
MEMORY_FULL = "the bodies of other requests fill the memory; try again"


class MemoryBudget:
    """Count the bytes of bodies that are being read or answered, compressed and decompressed.

    Args:
        limit: Maximum, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._had_large = False

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Count `size` bytes until the block ends.

        Raises:
            OverloadedError: They are more than what is left.
        """
        if self.used + size > self.limit:
            raise OverloadedError(MEMORY_FULL)
        self.used += size
        try:
            yield
        finally:
            self.used -= size
            self._had_large |= size >= LARGE_BODY

    def take_large(self) -> bool:
        """Return whether a large body was answered since the last call."""
        had_large, self._had_large = self._had_large, False
        return had_large


def release_freed_memory() -> None:
    """Give freed memory back to the system, where the C library is glibc, which keeps it otherwise."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
