"""Read keys from PEM files: Ed25519, and ECDSA on the curve P-256."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from penstock.core.errors import ConfigError

PASSWORD = "PENSTOCK_KEY_PASSWORD"
KINDS = "Ed25519 or ECDSA P-256"


@dataclass(frozen=True)
class PublicKey:
    """A key that checks signatures."""

    key: Ed25519PublicKey | EllipticCurvePublicKey

    @cached_property
    def keyid(self) -> str:
        """Identifier as in-toto and TUF compute it: the sha256 of the key as canonical JSON."""
        kind, value = self._canonical()
        scheme = "ed25519" if kind == "ed25519" else "ecdsa-sha2-nistp256"
        text = f'{{"keytype":"{kind}","keyval":{{"public":"{value}"}},"scheme":"{scheme}"}}'
        return hashlib.sha256(text.encode()).hexdigest()

    def _canonical(self) -> tuple[str, str]:
        if isinstance(self.key, Ed25519PublicKey):
            return "ed25519", self.key.public_bytes_raw().hex()
        pem = self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return "ecdsa", pem.decode().strip() + "\n"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether a signature is one of this key for a message."""
        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, message)
            else:
                self.key.verify(signature, message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class PrivateKey:
    """A key that signs."""

    key: Ed25519PrivateKey | EllipticCurvePrivateKey

    @cached_property
    def public(self) -> PublicKey:
        return PublicKey(self.key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, ECDSA(SHA256()))


def load_public_key(path: Path) -> PublicKey:
    """Read a public key.

    Raises:
        ConfigError: The file is missing, or has no public key of a kind that is supported.
    """
    content = _read(path)
    if b"PRIVATE KEY" in content:
        raise ConfigError(
            f"{path}: this is a private key; `openssl pkey -in {path} -pubout` prints the public one, which verifies"
        )
    try:
        key = load_pem_public_key(content)
    except UnsupportedAlgorithm:
        raise _unsupported(path) from None
    except ValueError:
        raise ConfigError(f"{path}: not a public key in PEM ({KINDS})") from None
    if isinstance(key, Ed25519PublicKey) or (isinstance(key, EllipticCurvePublicKey) and _is_p256(key)):
        return PublicKey(key)
    raise _unsupported(path)


def load_private_key(path: Path) -> PrivateKey:
    """Read a private key; the password of an encrypted one is in the environment variable PENSTOCK_KEY_PASSWORD.

    Raises:
        ConfigError: The file is missing, encrypted with another password, or has no private key of a kind that is
            supported.
    """
    content = _read(path)
    password = os.environ.get(PASSWORD)
    is_encrypted = b"ENCRYPTED" in content
    if is_encrypted and not password:
        raise ConfigError(f"{path}: the key is encrypted; set {PASSWORD} to its password")
    try:
        key = load_pem_private_key(content, password.encode() if is_encrypted and password else None)
    except UnsupportedAlgorithm:
        raise _unsupported(path) from None
    except (ValueError, TypeError):
        hint = f", or {PASSWORD} is not its password" if is_encrypted else ""
        raise ConfigError(f"{path}: not a private key in PEM ({KINDS}){hint}") from None
    if isinstance(key, Ed25519PrivateKey) or (isinstance(key, EllipticCurvePrivateKey) and _is_p256(key)):
        return PrivateKey(key)
    raise _unsupported(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name the PEM file of a key") from None


def _is_p256(key: Any) -> bool:  # noqa: ANN401  (public or private)
    return isinstance(key.curve, SECP256R1)


def _unsupported(path: Path) -> ConfigError:
    return ConfigError(f"{path}: keys are {KINDS}; `openssl genpkey -algorithm ed25519 -out KEY.pem` makes one")
