"""Limit the memory of all request bodies, over HTTP and gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.serving.errors import OverloadedError

MEMORY_FULL = "the bodies of other requests fill the memory; try again"


class MemoryBudget:
    """Count the bytes of bodies that are being read or answered, compressed and decompressed.

    Args:
        limit: Maximum, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

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
