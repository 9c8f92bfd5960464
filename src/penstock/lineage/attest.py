"""Write the lineage of a model file as SLSA provenance: an in-toto statement, signed where there is a key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from penstock.attestation.bundle import SUFFIX
from penstock.attestation.envelope import PAYLOAD_TYPE, Envelope
from penstock.attestation.keys import PrivateKey
from penstock.attestation.statement import Statement
from penstock.core.credentials import without_credentials
from penstock.core.errors import AttestationError
from penstock.io.files import sha256, write_text
from penstock.io.provenance import training_sources
from penstock.lineage.chain import Chain
from penstock.lineage.place import Place, remote
from penstock.lineage.trace import Trace

BUILD_TYPE = "urn:penstock:train:1"
REQUIRED = ("processed data", "parameters", "code", "ONNX file")  # links that an attestation vouches for


def write_attestation(chain: Chain, path: Path, keys: Sequence[PrivateKey], builder: str) -> None:
    """Write the provenance of a model file.

    Args:
        chain: Its chain.
        path: The attestation.
        keys: Each of them signs. Without any, the plain statement is written, since an envelope needs a signature.
        builder: URI of who vouches for the build.

    Raises:
        AttestationError: A link that the attestation vouches for could not be computed again.
    """
    statement = statement_of(chain, builder)
    if keys:
        text = Envelope(statement.to_bytes(), PAYLOAD_TYPE).signed(keys).to_line()
    elif path.name.endswith(SUFFIX):
        text = statement.to_bytes().decode() + "\n"
    else:
        text = json.dumps(statement.to_json(), indent=2, ensure_ascii=False) + "\n"
    write_text(path, text)


def statement_of(chain: Chain, builder: str) -> Statement:
    """Return the provenance of a model file: https://slsa.dev/provenance/v1.

    Raises:
        AttestationError: A link that it vouches for could not be computed again.
    """
    place, trace = _require_computed(chain)
    definition = {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "model": trace.provenance.model,
            "dataset": trace.subject.dataset,
            "parameters": place.settings,
        },
        "internalParameters": asdict(trace.provenance),
        "resolvedDependencies": [*_data(trace, place), *_code(trace, place)],
    }
    details: dict[str, Any] = {"builder": {"id": builder, "version": {"penstock": version("penstock")}}}
    details |= _run(trace) | {"byproducts": list(_byproducts(trace))}
    assert trace.subject.path
    subjects = {trace.subject.path.name: trace.subject.sha256}
    return Statement(subjects, {"buildDefinition": definition, "runDetails": details})


def _require_computed(chain: Chain) -> tuple[Place, Trace]:
    """Check that no link is broken, and that those which the attestation vouches for were computed again."""
    place = chain.trace.place if chain.trace else None
    for link in chain.links:
        if link.status == "broken" or (link.name in REQUIRED and link.status != "ok"):
            others = [check for check in link.checks if check.status != "ok"]
            reason = next(iter(link.broken or others)).text
            raise AttestationError(f"not attested, since the link {link.name} is {link.status}: {reason}")
    if chain.trace is None or place is None:
        raise AttestationError("not attested: only a model of a Penstock project, in this project, can be")
    if place.hashes.get("code") != chain.trace.provenance.code:
        raise AttestationError(
            f"not attested: the source files {place.shown} are not those of the training, though the settings are; "
            "`git checkout` a commit that has both"
        )
    return place, chain.trace


def _data(trace: Trace, place: Place) -> Iterator[dict[str, Any]]:
    """Yield the source files with the address of each, and the processed data."""
    assert place.config
    dataset = place.config.dataset(trace.subject.dataset)
    folder = f"data/raw/{trace.subject.dataset}"
    for name, file in dataset.files.items():
        address = {"uri": f"{dataset.urls[0].rstrip('/')}/{name}"} if dataset.urls else {}
        yield {"name": f"{folder}/{name}", **address, "digest": {"sha256": file.sha256}}
    yield {
        "name": f"data/processed/{trace.subject.dataset}",
        "digest": {"md5": trace.provenance.data.removesuffix(".dir")},
        "annotations": {"md5": "of the JSON list of each file's md5 and path, as DVC hashes a folder"},
    }


def _code(trace: Trace, place: Place) -> Iterator[dict[str, Any]]:
    """Yield params.yaml, the commit if it has these files, and each source file of the training."""
    assert place.config
    if trace.at_commit and trace.at_commit.hashes.items() >= place.hashes.items():
        origin = without_credentials(remote(trace.project))
        address = {"uri": f"git+{origin}@{trace.commit}"} if "://" in origin else {}
        yield {"name": "source", **address, "digest": {"gitCommit": trace.commit}}
    sources = training_sources(place.project, place.config, place.model)
    for name, found in {"params.yaml": sha256(place.project.params), **sources}.items():
        yield {"name": name, "digest": {"sha256": found}}


def _run(trace: Trace) -> dict[str, Any]:
    """Return the MLflow run as the invocation."""
    if trace.run is None:
        return {}
    started, finished = trace.run.times
    times = {"startedOn": started, "finishedOn": finished}
    return {"metadata": {"invocationId": trace.run.run_id, **{key: _time(one) for key, one in times.items() if one}}}


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _byproducts(trace: Trace) -> Iterator[dict[str, Any]]:
    """Yield the weights and the report, if they are those of the file here."""
    if not (trace.is_here and trace.files):
        return
    for path in (trace.files.weights, trace.files.validation_report):
        if path.is_file():
            yield {"name": trace.project.shown(path), "digest": {"sha256": sha256(path)}}
