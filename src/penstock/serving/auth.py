"""Bearer token authentication."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.serving.errors import UnauthorizedError
from penstock.serving.settings import TOKEN_VARIABLE

# Probes have no secret, and neither has a browser before it shows the page that asks for one.
PUBLIC_PATHS = ("/v2/health/live", "/v2/health/ready", "/", "/docs")
PUBLIC_FOLDER = "/ui/"


class BearerAuth:
    """Check the token of each request; without a token, every request passes."""

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else token.encode()

    def check(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Check one request, in constant time.

        Args:
            path: Path of the URL.
            headers: Headers by lower-case name.

        Raises:
            UnauthorizedError: The token is missing or wrong.
        """
        if self._token is None or path in PUBLIC_PATHS or path.startswith(PUBLIC_FOLDER):
            return
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        # The scheme is case-insensitive (RFC 9110, section 11.1).
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token.lstrip(b" "), self._token):
            raise UnauthorizedError("missing or wrong token; send the header `Authorization: Bearer <token>`")


def read_token(file: Path | None) -> str | None:
    """Read the token from a file, or else from the environment.

    It is never an argument: every user of the machine sees command lines.

    Raises:
        ConfigError: The file is empty or cannot be read.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file {file}: cannot be read ({error})") from None
    if not token:
        raise ConfigError(f"--token-file {file}: is empty; write the token into it")
    return token
