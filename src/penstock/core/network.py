"""Open HTTP clients, and name the environment variable that stops them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.request import getproxies

import httpx

from penstock.core.credentials import without_credentials
from penstock.core.errors import ConfigError


def open_client(timeout: float) -> httpx.Client:
    """Open a client that uses the proxies and certificates of the environment.

    Args:
        timeout: Timeout of connecting, and of each read, in seconds.

    Raises:
        ConfigError: A variable of the environment is invalid. The message names it.
    """
    try:
        return httpx.Client(timeout=timeout, follow_redirects=True)
    except OSError as error:
        raise ConfigError(_explain_file(error)) from None
    except (ImportError, ValueError, httpx.InvalidURL):
        raise ConfigError(without_credentials(_explain_proxy())) from None


def set_variables(url: str) -> str:
    """Return the variables that a connection to `url` depends on, such as ` (HTTPS_PROXY=http://proxy:3128)`."""
    scheme = url.partition("://")[0]
    settings = list(_proxies(scheme, "all"))
    if scheme == "https":
        settings += [(name, os.environ[name]) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
    listed = ", ".join(f"{name}={value}" for name, value in settings)
    return without_credentials(f" ({listed})") if listed else ""


def _explain_file(error: OSError) -> str:
    # Python opens SSLKEYLOGFILE and names it in the error. OpenSSL reads the certificates and names no file.
    name, file = ("SSLKEYLOGFILE", "a writable file") if error.filename else ("SSL_CERT_FILE", "a PEM file")
    return f"{name}={os.environ.get(name, '')}: {error.strerror or error}; name {file}, or `unset {name}`"


def _explain_proxy() -> str:
    for name, address in _proxies("http", "https", "all"):
        problem = _problem(address)
        if problem:
            return f"{name}={address}: {problem}, or `unset {name}`"
    name = _variable("no_proxy")
    return f"{name}={os.environ.get(name, '')}: is invalid; list hosts and IPv4 networks, separated by commas"


def _proxies(*schemes: str) -> Iterator[tuple[str, str]]:
    """Yield the variable and the address of each proxy that httpx takes from the environment."""
    proxies = getproxies()
    for scheme in schemes:
        if value := proxies.get(scheme):
            yield _variable(f"{scheme}_proxy"), value if "://" in value else f"http://{value}"


def _problem(proxy: str) -> str | None:
    """Return why httpx refuses a proxy, and the remedy; None if it takes it. Its own text can show a password."""
    try:
        httpx.HTTPTransport(proxy=proxy, verify=False).close()
    except ImportError:
        return "SOCKS proxies need the package socksio; install it by `pip install 'httpx[socks]'`"
    except (ValueError, httpx.InvalidURL):
        return "is not the address of a proxy; write http://HOST:PORT"
    return None


def _variable(name: str) -> str:
    """Return the name as it is set: urllib prefers lower case."""
    return name if name in os.environ else name.upper()
