"""Ask a running server which file it serves, by the Open Inference Protocol."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from penstock.core.credentials import without_credentials
from penstock.core.errors import ConfigError, PenstockError, first_line
from penstock.core.network import open_client

SECONDS = 10
DIGEST = re.compile(r"\A[0-9a-f]{12,64}\Z")
MODEL = re.compile(r"(.*)/v2/models/([^/]+)(/versions/[^/]+)?/?")


@dataclass(frozen=True)
class ServedFile:
    """A model of a server."""

    address: str
    """http://HOST:PORT/v2/models/NAME"""
    name: str
    sha256: str
    """Of the file; its first 12 digits, if the server does not tell all."""
    metadata: Mapping[str, str]
    """Of the ONNX file, and what the server adds to them."""


def ask(address: str, token: str | None) -> ServedFile:
    """Ask a server about a model.

    Args:
        address: http://HOST:PORT of a server with one model, or http://HOST:PORT/v2/models/NAME.
        token: Bearer token; None sends none.

    Raises:
        ConfigError: The address does not say which model.
        PenstockError: The server cannot be asked, or does not have the model.
    """
    with open_client(SECONDS) as client:
        client.headers.update({"Authorization": f"Bearer {token}"} if token else {})
        match = MODEL.fullmatch(address)
        base = match[1] if match else address.rstrip("/")
        name = match[2] if match else _only_model(client, base)
        content = _json(client, f"{base}/v2/models/{name}{match[3] or '' if match else ''}")
    try:
        metadata = {key: str(value) for key, value in content["parameters"].items()}
        (digest,) = DIGEST.findall(metadata.pop("sha256", content["versions"][0]))
        return ServedFile(f"{without_credentials(base)}/v2/models/{name}", str(content["name"]), digest, metadata)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError):
        raise PenstockError(f"{without_credentials(address)}: not a server of Penstock: it names no file") from None


def _only_model(client: httpx.Client, base: str) -> str:
    if urlsplit(base).path:
        raise ConfigError(f"{without_credentials(base)}: write http://HOST:PORT/v2/models/NAME")
    index = _json(client, f"{base}/v2/repository/index")
    names = sorted({str(one["name"]) for one in index}) if isinstance(index, list) else []
    if len(names) != 1:
        known = ", ".join(names) or "none"
        raise ConfigError(f"{without_credentials(base)}: which model? Write {base}/v2/models/NAME; it serves {known}")
    return quote(names[0], safe="")


def _json(client: httpx.Client, url: str) -> Any:  # noqa: ANN401  (JSON of a server)
    shown = without_credentials(url)
    try:
        response = client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise PenstockError(f"{shown}: cannot ask the server: {first_line(error)}") from None
    if response.status_code == httpx.codes.UNAUTHORIZED:
        raise PenstockError(f"{shown}: the server wants a token; name its file by --token-file")
    if not response.is_success:
        raise PenstockError(f"{shown}: the server answers {response.status_code} {response.text[:200]}")
    try:
        return response.json()
    except ValueError:
        raise PenstockError(f"{shown}: the answer is not JSON") from None
