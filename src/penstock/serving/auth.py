"""A token that callers must show, if the server was given one."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.serving.http import Headers
from penstock.serving.refusals import UnauthorizedError
from penstock.serving.settings import TOKEN_VARIABLE

# Whoever restarts a server that is down must be able to ask without a secret, and a browser has none before it shows
# the page that asks for it.
OPEN = ("/v2/health/live", "/v2/health/ready", "/", "/docs")
OPEN_FOLDER = "/page/"


class Gate:
    """Lets everybody in where `token` is None."""

    def __init__(self, token: str | None) -> None:
        self._wanted = None if token is None else f"Bearer {token}".encode()

    def admit(self, path: str, headers: Headers) -> None:
        """Raises `UnauthorizedError`; takes as long for a wrong token that is nearly right as for any other."""
        if self._wanted is None or path in OPEN or path.startswith(OPEN_FOLDER):
            return
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._wanted):
            raise UnauthorizedError("this server wants a token: Authorization: Bearer ...")


def read_token(file: Path | None) -> str | None:
    """The token in the file, or else in the environment; never on a command line, which everybody on the machine sees.

    Raises:
        ConfigError: the file cannot be read, or there is nothing in it.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: no token to be read there ({error})") from None
    if not token:
        raise ConfigError(f"{file}: is empty; the token is its whole content")
    return token
