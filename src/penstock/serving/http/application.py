"""What the HTTP server knows of the application that it serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from penstock.serving.errors import RequestError
from penstock.serving.http.messages import Request, Response


class HttpApplication(Protocol):
    """Callbacks of the HTTP server, in the order in which they are called."""

    def authorize(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Check a request before its body is read; raise a `RequestError` to reject it."""

    async def respond(self, request: Request) -> Response:
        """Answer a request."""

    def error_response(self, error: RequestError, request: Request) -> Response:
        """Return the response for a request that was rejected."""

    def count(self, request: Request, response: Response) -> None:
        """Take note of a finished request."""
