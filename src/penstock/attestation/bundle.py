"""Read and write files of attestations.

A file is a bundle: one envelope in each line. The attestation beside `model.onnx` is `model.onnx.intoto.jsonl`, as
https://github.com/in-toto/attestation/blob/main/spec/v1/bundle.md names it. One envelope alone, or one plain statement
without signatures, may also be a JSON file with line breaks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.attestation.envelope import PAYLOAD_TYPE, Envelope
from penstock.attestation.statement import STATEMENT_TYPE, Statement
from penstock.core import model_files
from penstock.core.errors import AttestationError

SUFFIX = model_files.ATTESTATION_SUFFIX
attestation_of = model_files.attestation_of
MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class Attestation:
    """A statement of a bundle."""

    envelope: Envelope
    """An envelope without signatures, if the file has the plain statement."""

    def statement(self) -> Statement:
        """Return the statement; believe it only after a key has verified the envelope.

        Raises:
            AttestationError: It is not a statement with SLSA provenance.
        """
        if self.envelope.payload_type != PAYLOAD_TYPE:
            raise AttestationError(f"payloadType is not {PAYLOAD_TYPE}")
        return Statement.from_bytes(self.envelope.payload)


def read_bundle(path: Path) -> list[Attestation]:
    """Read the envelopes of a file; other lines are passed over, as the format demands.

    Raises:
        AttestationError: The file is missing, too large, or has no envelope.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise AttestationError(f"{path}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise AttestationError(f"{path}: larger than {MAX_BYTES >> 20} MiB; this is no attestation")
    found = [one for value in _values(content) if (one := _attestation(value))]
    if not found:
        raise AttestationError(f"{path}: has no in-toto attestation: neither a DSSE envelope nor a Statement")
    return found


def _values(content: bytes) -> Iterator[Any]:
    """Yield the JSON values of a file: the whole one, or else each line's."""
    for text in ([content], content.splitlines()):
        values = []
        for one in text:
            try:
                values.append(json.loads(one))
            except (ValueError, RecursionError):
                continue
        if values:
            yield from values
            return


def _attestation(value: Any) -> Attestation | None:  # noqa: ANN401  (JSON of anybody)
    if isinstance(value, dict) and value.get("_type") == STATEMENT_TYPE:
        return Attestation(Envelope(json.dumps(value).encode(), PAYLOAD_TYPE))
    try:
        return Attestation(Envelope.from_json(value))
    except AttestationError:
        return None
