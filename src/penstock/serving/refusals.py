"""Why a request is not answered; each kind knows its HTTP status and what that means, and its message says what was
wanted.

RefusedError
├── InputError            400
├── UnauthorizedError     401
├── NotFoundError         404
│   └── UnknownModelError
├── WrongMethodError      405
├── TooSlowError          408
├── TooLargeError         413
├── WrongKindError        415
├── HeadersTooLargeError  431
├── ModelFailedError      500
├── OverloadedError       503
└── TimedOutError         504
"""

from __future__ import annotations

from collections.abc import Sequence

# What a caller is told of it; whatever else there is to say is nobody's business.
OUR_FAULT = "a mistake of the server's own; its log says which"


class RefusedError(Exception):
    """A message for the caller, and the HTTP status and headers that go with it.

    meaning: of the status, whatever the route; the document and the guide say the same.
    """

    status: int
    meaning: str

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ()


class InputError(RefusedError, ValueError):
    status = 400
    meaning = "The input does not fit the model."


class UnauthorizedError(RefusedError):
    status = 401
    meaning = "A token is wanted, and this is not it."

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"www-authenticate", b"Bearer"),)


class NotFoundError(RefusedError):
    status = 404
    meaning = "There is no such path or model, or not in this version."


class UnknownModelError(NotFoundError):
    pass


class WrongMethodError(RefusedError):
    status = 405
    meaning = "The path is there for other methods."

    def __init__(self, message: str, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self.allowed = allowed

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"allow", ", ".join(self.allowed).encode()),)


class TooSlowError(RefusedError):
    status = 408
    meaning = "The request did not arrive in time."


class TooLargeError(RefusedError):
    status = 413
    meaning = "More bytes, rows or pixels than the server takes."


class WrongKindError(RefusedError):
    status = 415
    meaning = "A body of a kind that this route does not read."


class HeadersTooLargeError(RefusedError):
    status = 431
    meaning = "The headers are larger than the server takes."


class ModelFailedError(RefusedError):
    status = 500
    meaning = "onnxruntime could not compute these rows."


class OverloadedError(RefusedError):
    status = 503
    meaning = "As much is waiting as may wait, or the server is about to end."

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"retry-after", str(self.retry_after).encode()),)


class TimedOutError(RefusedError):
    status = 504
    meaning = "There was no answer in time."


# What each status means, in their order.
REFUSALS = {kind.status: kind.meaning for kind in RefusedError.__subclasses__()}
