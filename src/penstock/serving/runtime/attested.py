"""Require an attestation of what is served: `penstock serve --require-attestation KEY`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from penstock.core.errors import AttestationError, ConfigError

OPTION = "--require-attestation"


def require_key(path: Path) -> Path:
    """Check that a file has a public key.

    Raises:
        ConfigError: It has none, or `cryptography` is not installed.
    """
    if find_spec("cryptography") is None:
        raise ConfigError(f"{OPTION}: needs cryptography; install it by `pip install 'penstock[attestation]'`")
    from penstock.attestation.keys import load_public_key

    load_public_key(path)
    return path


def require_attested(file: Path, content: bytes, external_data: Mapping[str, bytes], key: Path) -> None:
    """Check that a key has signed an attestation of an ONNX file, which stands beside it.

    Args:
        file: The ONNX file.
        content: Its bytes, which are served if the check passes.
        external_data: The bytes of the files that hold its weights; each must be a subject of the attestation too.
        key: File of the public key.

    Raises:
        AttestationError: There is none, the key has not signed it, or it is about other bytes.
    """
    from penstock.attestation.keys import load_public_key
    from penstock.attestation.verify import REMEDY, require_attestation

    try:
        statement = require_attestation(file, hashlib.sha256(content).hexdigest(), load_public_key(key))
    except AttestationError as error:
        reason = str(error) if REMEDY in str(error) else f"{error}; {REMEDY}"
        raise AttestationError(f"{file}: not served, as {OPTION} says: {reason}") from None
    for name, data in external_data.items():
        if hashlib.sha256(data).hexdigest() not in statement.subjects.values():
            problem = f"the attestation does not name {name}; sign one with its sha256 as a subject too"
            raise AttestationError(f"{file}: not served, as {OPTION} says: {problem}")
