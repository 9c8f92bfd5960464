"""Cross-origin requests of pages on other hosts (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from penstock.serving.errors import ResponseHeaders
from penstock.serving.http.messages import Request, Response

ANY = "*"
ORIGIN = re.compile(r"https?://[^/\s?#@]+", re.IGNORECASE)
EXPOSED = (b"access-control-expose-headers", b"inference-header-content-length, retry-after")
PREFLIGHT_SECONDS = b"600"


def origin(text: str) -> str:
    """Parse an origin of the command line.

    Raises:
        argparse.ArgumentTypeError: It is neither an origin nor `*`.
    """
    if text != ANY and not ORIGIN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected an origin such as https://example.org, or *, not '{text}'")
    return text.lower()  # browsers send scheme and host in lower case


class CorsPolicy:
    """Allow pages of some origins to read the responses.

    Args:
        origins: The origins; `*` for all. Without any, browsers allow no page of another host.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(text.encode() for text in origins)
        self._any = ANY.encode() in self._origins

    def is_preflight(self, method: str, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether a browser asks if it may send a request; it sends no token with this question."""
        return method == "OPTIONS" and b"access-control-request-method" in headers

    def preflight_response(self, request: Request) -> Response:
        """Allow every method and header to an allowed origin; `add_headers` names the origin."""
        asked = request.headers.get(b"access-control-request-headers", b"")
        headers = [
            (b"access-control-allow-methods", b"GET, HEAD, POST"),
            *([(b"access-control-allow-headers", asked)] if asked else []),
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        ]
        return Response(b"", media_type=b"text/plain", headers=headers)

    def add_headers(self, request: Request, response: Response) -> Response:
        """Say whether the page of this request may read the response."""
        headers = self._headers(request.headers.get(b"origin"))
        return replace(response, headers=(*response.headers, *headers))  # files of the page are one response for all

    def _headers(self, asking: bytes | None) -> ResponseHeaders:
        if self._any:
            return ((b"access-control-allow-origin", ANY.encode()), EXPOSED)
        vary = (b"vary", b"origin")
        return ((b"access-control-allow-origin", asking), vary, EXPOSED) if asking in self._origins else (vary,)
