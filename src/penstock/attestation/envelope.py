"""Read, write, sign and verify DSSE envelopes, https://github.com/secure-systems-lab/dsse."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.attestation.keys import PrivateKey, PublicKey
from penstock.core.errors import AttestationError

PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class Signature:
    """A signature of an envelope."""

    sig: bytes
    keyid: str
    """A hint which key signed. It is not signed itself, so nothing is decided by it."""


@dataclass(frozen=True)
class Envelope:
    """A payload with its type and signatures."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...] = ()

    @property
    def signed_bytes(self) -> bytes:
        """What is signed: the pre-authentication encoding (PAE) of type and payload."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)

    def signed(self, keys: Sequence[PrivateKey]) -> Envelope:
        """Return the envelope with one more signature for each key."""
        added = (Signature(key.sign(self.signed_bytes), key.public.keyid) for key in keys)
        return replace(self, signatures=(*self.signatures, *added))

    def is_signed_by(self, key: PublicKey) -> bool:
        """Return whether one of the signatures is of this key."""
        return any(key.verifies(one.sig, self.signed_bytes) for one in self.signatures)

    def to_json(self) -> dict[str, Any]:
        """Return the envelope as JSON values."""
        return {
            "payloadType": self.payload_type,
            "payload": _encode(self.payload),
            "signatures": [{"keyid": one.keyid, "sig": _encode(one.sig)} for one in self.signatures],
        }

    def to_line(self) -> str:
        """Return the envelope as one line of a bundle."""
        return json.dumps(self.to_json(), separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, content: Any) -> Envelope:  # noqa: ANN401  (JSON of anybody)
        """Read an envelope of JSON values.

        Raises:
            AttestationError: They are no envelope.
        """
        try:
            signatures = tuple(_signature(one) for one in content["signatures"])
            return cls(_decode(content["payload"]), _text(content["payloadType"]), signatures)
        except (KeyError, TypeError, ValueError):
            raise AttestationError("not a DSSE envelope with payload, payloadType and signatures") from None


def _signature(content: Any) -> Signature:  # noqa: ANN401  (JSON of anybody)
    return Signature(_decode(content["sig"]), _text(content.get("keyid", "")))


def _text(value: Any) -> str:  # noqa: ANN401  (JSON of anybody)
    """Return a text that can be encoded; JSON also has halves of surrogate pairs."""
    if not isinstance(value, str):
        raise TypeError(value)
    value.encode()
    return value


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decode(text: Any) -> bytes:  # noqa: ANN401  (JSON of anybody)
    """Decode base64 in either alphabet, and only the one text that encodes these bytes."""
    standard = _text(text).translate(str.maketrans("-_", "+/"))
    content = base64.b64decode(standard, validate=True)
    if _encode(content) != standard:
        raise ValueError(text)
    return content
