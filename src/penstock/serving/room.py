"""The memory that the bodies of all requests share, over HTTP and gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.serving.refusals import OverloadedError

FULL = "the bodies of other requests fill the memory; ask again"


class Room:
    """held: bytes of bodies that are being read or answered, packed and unpacked; most: how many may be."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Raises `OverloadedError` where there is none for so many bytes."""
        if self.held + size > self.most:
            raise OverloadedError(FULL)
        self.held += size
        try:
            yield
        finally:
            self.held -= size
