"""Certificate and private key of the server, for HTTP and gRPC."""

from __future__ import annotations

import ssl
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.serving.settings import ServerConfig


def server_context(config: ServerConfig) -> ssl.SSLContext | None:
    """Return the context of the server's connections; None without TLS.

    Raises:
        ConfigError: A file is missing or unusable, or the key is not that of the certificate.
    """
    files = _files(config)
    if files is None:
        return None
    for option, file in zip(("--tls-cert", "--tls-key"), files, strict=True):
        _read(option, file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(*files, password="")  # so that an encrypted key is an error, not a question
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"--tls-cert {files[0]}, --tls-key {files[1]}: expected a certificate chain and its unencrypted private "
            f"key, both in PEM ({error})"
        ) from None
    return context


def key_and_certificates(config: ServerConfig) -> tuple[bytes, bytes] | None:
    """Return private key and certificate chain in PEM; None without TLS.

    Raises:
        ConfigError: A file is missing or unusable, or the key is not that of the certificate.
    """
    files = _files(config)
    if files is None or server_context(config) is None:
        return None
    certificates, key = files
    return _read("--tls-key", key), _read("--tls-cert", certificates)


def _files(config: ServerConfig) -> tuple[Path, Path] | None:
    if config.tls_cert is None and config.tls_key is None:
        return None
    if config.tls_cert is None or config.tls_key is None:
        missing = "--tls-cert" if config.tls_cert is None else "--tls-key"
        raise ConfigError(f"{missing}: is missing; TLS needs --tls-cert and --tls-key")
    return config.tls_cert, config.tls_key


def _read(option: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{option} {file}: cannot be read ({error.strerror})") from None
