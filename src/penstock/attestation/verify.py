"""Verify attestations: signature, form, and that they are about a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from penstock.attestation.bundle import Attestation, attestation_of, read_bundle
from penstock.attestation.keys import PublicKey
from penstock.attestation.statement import Statement
from penstock.core.errors import AttestationError

REMEDY = "`penstock lineage MODEL --attest FILE --key KEY.pem` writes one"


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    passed: bool | None
    """None if it was not checked."""
    text: str
    """What was found, and what to do."""


def require_attestation(file: Path, digest: str, key: PublicKey) -> Statement:
    """Return the statement about a file from the attestation beside it, which a key must have signed.

    Args:
        file: The file, such as model.onnx.
        digest: Its sha256, of the bytes that are used.
        key: The only key whose signature counts.

    Raises:
        AttestationError: There is none, the key has not signed it, or it is about other bytes.
    """
    path = attestation_of(file)
    signed = [one for one in read_bundle(path) if one.envelope.is_signed_by(key)]
    if not signed:
        raise AttestationError(f"{path}: no signature of the key {key.keyid[:8]}; {REMEDY}")
    for statement in _statements(signed):
        if digest in statement.subjects.values():
            return statement
    raise AttestationError(f"{path}: what the key {key.keyid[:8]} signed is not about this file ({digest}); {REMEDY}")


def _statements(attestations: Sequence[Attestation]) -> Iterator[Statement]:
    """Yield the statements that can be read; a bundle may have others."""
    for one in attestations:
        try:
            yield one.statement()
        except AttestationError:
            continue


def verify_bundle(attestations: Sequence[Attestation], keys: Sequence[PublicKey], digest: str | None) -> list[Check]:
    """Return the checks of the attestation that passes most; the others of a bundle may be about other things."""
    return min((verify(one, keys, digest) for one in attestations), key=_failures)


def _failures(checks: Sequence[Check]) -> int:
    return sum(check.passed is False for check in checks)


def verify(attestation: Attestation, keys: Sequence[PublicKey], digest: str | None) -> list[Check]:
    """Return every check of an attestation.

    Args:
        attestation: Read from a file.
        keys: Each of them must have signed it; empty leaves the signatures unchecked.
        digest: sha256 of the file that it should be about; None leaves that unchecked.
    """
    checks = [_signature(attestation, key) for key in keys] or [_unchecked_signatures(attestation)]
    try:
        statement = attestation.statement()
    except AttestationError as error:
        return [*checks, Check("form", False, str(error))]
    checks.append(Check("form", True, "in-toto Statement v1 with SLSA provenance v1"))
    return [*checks, _subject(statement, digest)]


def _signature(attestation: Attestation, key: PublicKey) -> Check:
    envelope = attestation.envelope
    if envelope.is_signed_by(key):
        return Check("signature", True, f"of the key {key.keyid}")
    if not envelope.signatures:
        return Check("signature", False, f"it has none; {REMEDY}")
    named = ", ".join(one.keyid[:8] or "a key without ID" for one in envelope.signatures)
    return Check("signature", False, f"none is of the key {key.keyid[:8]}; signed by {named}, or changed since then")


def _unchecked_signatures(attestation: Attestation) -> Check:
    count = len(attestation.envelope.signatures)
    found = f"{count} not checked; `--key PUBLIC.pem` checks them" if count else "it has none"
    return Check("signature", None, found)


def _subject(statement: Statement, digest: str | None) -> Check:
    named = ", ".join(f"{name} {value}" for name, value in statement.subjects.items())
    if digest is None:
        return Check("subject", None, f"{named}; `--model FILE.onnx` compares it")
    if digest in statement.subjects.values():
        return Check("subject", True, named)
    return Check("subject", False, f"it is about {named}; the file has {digest}")
