"""in-toto Statements v1 with the SLSA provenance predicate v1.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
https://slsa.dev/provenance/v1
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.core.errors import AttestationError

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"

_SHA256 = re.compile("[0-9a-f]{64}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


@dataclass(frozen=True)
class Statement:
    """A statement about files."""

    subjects: Mapping[str, str]
    """sha256 by name of each file that the statement is about."""
    predicate: Mapping[str, Any]
    """What it says about them: SLSA provenance."""

    def to_json(self) -> dict[str, Any]:
        """Return the statement as JSON values."""
        return {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in self.subjects.items()],
            "predicateType": PREDICATE_TYPE,
            "predicate": self.predicate,
        }

    def to_bytes(self) -> bytes:
        """Return the statement as the payload of an envelope; equal statements have equal bytes."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Statement:
        """Read a statement.

        Raises:
            AttestationError: It does not have the form of a statement, or its predicate is not SLSA provenance v1; the
                message names the field.
        """
        try:
            content = json.loads(payload)
        except (ValueError, RecursionError):
            raise AttestationError("the payload is not JSON") from None
        _require(isinstance(content, dict), "the payload is not a JSON object")
        _require(content.get("_type") == STATEMENT_TYPE, f"_type is not {STATEMENT_TYPE}")
        _require(content.get("predicateType") == PREDICATE_TYPE, f"predicateType is not {PREDICATE_TYPE}")
        predicate = content.get("predicate")
        _require_provenance(predicate)
        return cls(_subjects(content.get("subject")), predicate)


def _subjects(content: Any) -> dict[str, str]:  # noqa: ANN401  (JSON of anybody)
    _require(isinstance(content, list) and bool(content), "subject is not a list with a file")
    found: dict[str, str] = {}
    for number, one in enumerate(content):
        name = one.get("name") if isinstance(one, dict) else None
        digest = one.get("digest") if isinstance(one, dict) else None
        sha256 = digest.get("sha256") if isinstance(digest, dict) else None
        is_sha256 = isinstance(sha256, str) and _SHA256.fullmatch(sha256)
        _require(bool(is_sha256), f"subject[{number}].digest.sha256 is not a sha256 in hexadecimal")
        _require(isinstance(name, str) and name not in found, f"subject[{number}].name is not a name of its own")
        found[str(name)] = str(sha256)
    return found


def _require_provenance(predicate: Any) -> None:  # noqa: ANN401  (JSON of anybody)
    """Check the fields that SLSA requires."""
    definition = _object(predicate, "predicate", "buildDefinition")
    details = _object(predicate, "predicate", "runDetails")
    builder = _object(details, "runDetails", "builder")
    _object(definition, "buildDefinition", "externalParameters")
    for field, value in (("buildDefinition.buildType", definition.get("buildType")), ("builder.id", builder.get("id"))):
        _require(isinstance(value, str) and bool(_URI.fullmatch(value)), f"{field} is not a URI")
    dependencies = definition.get("resolvedDependencies", [])
    _require(isinstance(dependencies, list), "resolvedDependencies is not a list")
    for number, one in enumerate(dependencies):
        digest = one.get("digest") if isinstance(one, dict) else None
        has_form = isinstance(digest, dict) and digest and all(isinstance(value, str) for value in digest.values())
        _require(bool(has_form), f"resolvedDependencies[{number}].digest has no digest")


def _object(content: Any, name: str, field: str) -> dict[str, Any]:  # noqa: ANN401  (JSON of anybody)
    value = content.get(field) if isinstance(content, dict) else None
    _require(isinstance(value, dict), f"{name}.{field} is not an object")
    assert isinstance(value, dict)
    return value


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise AttestationError(problem)
