"""Errors of a request. Each class has its HTTP status; its message says what is wrong and what is expected.

RequestError
├── InputError                   400
│   └── NotJsonError
├── UnauthorizedError            401
├── NotFoundError                404
│   └── UnknownModelError
├── MethodNotAllowedError        405
├── RequestTimeoutError          408
├── PayloadTooLargeError         413
├── UnsupportedMediaTypeError    415
├── HeadersTooLargeError         431
├── ModelFailedError             500
├── OverloadedError              503
├── DeadlineExceededError        504
└── HttpVersionError             505

`rest/openapi.json` describes each status.
"""

from __future__ import annotations

from collections.abc import Sequence

# Clients are told no more about a bug of the server: a traceback may contain data of others.
INTERNAL_ERROR = "internal server error; see the server's log"
MAX_MESSAGE = 2000  # characters

ResponseHeaders = Sequence[tuple[bytes, bytes]]


class RequestError(Exception):
    """A request that is answered with an error: message for the client, HTTP status, extra headers."""

    status: int

    def __str__(self) -> str:
        """Return the message; one that repeats a large value of the request is cut."""
        message = super().__str__()
        return message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}..."

    @property
    def headers(self) -> ResponseHeaders:
        return ()


class InputError(RequestError, ValueError):
    status = 400


class NotJsonError(InputError):
    """The body is not JSON."""


class UnauthorizedError(RequestError):
    status = 401

    @property
    def headers(self) -> ResponseHeaders:
        return ((b"www-authenticate", b"Bearer"),)


class NotFoundError(RequestError):
    status = 404


class UnknownModelError(NotFoundError):
    pass


class MethodNotAllowedError(RequestError):
    status = 405

    def __init__(self, message: str, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self.allowed = allowed

    @property
    def headers(self) -> ResponseHeaders:
        return ((b"allow", ", ".join(self.allowed).encode()),)


class RequestTimeoutError(RequestError):
    status = 408


class PayloadTooLargeError(RequestError):
    status = 413


class UnsupportedMediaTypeError(RequestError):
    status = 415


class HeadersTooLargeError(RequestError):
    status = 431


class ModelFailedError(RequestError):
    status = 500


class OverloadedError(RequestError):
    status = 503

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def headers(self) -> ResponseHeaders:
        return ((b"retry-after", str(self.retry_after).encode()),)


class DeadlineExceededError(RequestError):
    status = 504


class HttpVersionError(RequestError):
    status = 505
