"""Why a request is not answered; each kind knows its HTTP status, and its message says what was wanted.

RefusedError
├── InputError            400  the caller's rows or words do not fit the model
├── UnauthorizedError     401  a token is wanted, and this is not it
├── UnknownModelError     404  no model of that name, or not in that version
├── TooLargeError         413  more bytes or pixels than the server takes
├── WrongKindError        415  a body of a kind that this route does not read
├── ModelFailedError      500  onnxruntime could not compute rows that were well formed
├── OverloadedError       503  as much is waiting as may wait; ask again in `retry_after` seconds
└── TimedOutError         504  no answer within the time that a request may take
"""

from __future__ import annotations


class RefusedError(Exception):
    """A message for the caller, and the HTTP status that goes with it."""

    status = 400


class InputError(RefusedError, ValueError):
    pass


class UnauthorizedError(RefusedError):
    status = 401


class UnknownModelError(RefusedError):
    status = 404


class TooLargeError(RefusedError):
    status = 413


class WrongKindError(RefusedError):
    status = 415


class ModelFailedError(RefusedError):
    status = 500


class OverloadedError(RefusedError):
    status = 503

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimedOutError(RefusedError):
    status = 504
