"""Why a request is not answered; each kind knows its HTTP status, and its message says what was wanted.

RefusedError
├── InputError            400  the caller's rows or words do not fit the model
├── UnauthorizedError     401  a token is wanted, and this is not it
├── NotFoundError         404  no such path
│   └── UnknownModelError      no model of that name, or not in that version
├── WrongMethodError      405  the path is there for other methods
├── TooSlowError          408  the request did not arrive in time
├── TooLargeError         413  more bytes or pixels than the server takes
├── WrongKindError        415  a body of a kind that this route does not read
├── HeadersTooLargeError  431
├── ModelFailedError      500  onnxruntime could not compute rows that were well formed
├── OverloadedError       503  as much is waiting as may wait; ask again in `retry_after` seconds
└── TimedOutError         504  no answer within the time that a request may take
"""

from __future__ import annotations

from collections.abc import Sequence


class RefusedError(Exception):
    """A message for the caller, and the HTTP status and headers that go with it."""

    status = 400

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ()


class InputError(RefusedError, ValueError):
    pass


class UnauthorizedError(RefusedError):
    status = 401

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"www-authenticate", b"Bearer"),)


class NotFoundError(RefusedError):
    status = 404


class UnknownModelError(NotFoundError):
    pass


class WrongMethodError(RefusedError):
    status = 405

    def __init__(self, message: str, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self.allowed = allowed

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"allow", ", ".join(self.allowed).encode()),)


class TooSlowError(RefusedError):
    status = 408


class TooLargeError(RefusedError):
    status = 413


class WrongKindError(RefusedError):
    status = 415


class HeadersTooLargeError(RefusedError):
    status = 431


class ModelFailedError(RefusedError):
    status = 500


class OverloadedError(RefusedError):
    status = 503

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"retry-after", str(self.retry_after).encode()),)


class TimedOutError(RefusedError):
    status = 504
