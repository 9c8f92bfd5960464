"""The links that MLflow and servers record: run, registered versions, and who serves the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penstock.core.errors import PenstockError
from penstock.io.files import sha256
from penstock.lineage.links import Check, Link, compared, unchecked
from penstock.lineage.server import ServedFile
from penstock.lineage.subject import Subject
from penstock.lineage.trace import Trace
from penstock.registry.stored_models import StoredVersion
from penstock.tracking.run import flatten
from penstock.tracking.tags import DATA, ONNX_SHA256, PARAMETERS, RESTORED, identity_tags

IDENTITY = ("model", "data", "parameters", "code")  # in which the metadata of a file and a server must agree
CORRECT = "the run is of another training, or its record was changed; `penstock register` restores a missing run"


def run(trace: Trace) -> Link:
    """Check the tags and parameters of the run against what the file says."""
    found = trace.run
    if found is None:
        reason = trace.problems.get("run") or _no_run(trace)
        return Link("run", "unknown", [unchecked(reason)])
    checks = [*_tags(trace), *_logged_parameters(trace)]
    restored = ", restored from files" if RESTORED in found.tags else ""
    facts = {"run_id": found.run_id, "run_status": found.status, "tags": dict(found.tags)}
    return Link("run", f"{found.run_id}, {found.status.lower()}{restored}", checks, facts)


def _no_run(trace: Trace) -> str:
    if trace.store is None:
        return "there is no MLflow database yet; set `tracking.uri` or MLFLOW_TRACKING_URI"
    return "MLflow has no run of this training; `penstock register` restores one from the files"


def _tags(trace: Trace) -> Iterator[Check]:
    assert trace.run
    expected = identity_tags(trace.provenance)
    if not trace.subject.is_int8:
        expected[ONNX_SHA256] = trace.subject.sha256
    for tag, value in expected.items():
        found = trace.run.tags.get(tag, "")
        if tag == ONNX_SHA256 and not found:
            yield unchecked("the run has validated no file")
        else:
            yield compared(f"tag {tag} as the file has it", found, value, CORRECT)


def _logged_parameters(trace: Trace) -> Iterator[Check]:
    """Compare the parameters of the run with the settings that have the hash of the file."""
    assert trace.run
    places = [*trace.places, *([trace.at_commit] if trace.at_commit else [])]
    fitting = (one for one in places if one.hashes.get("parameters") == trace.provenance.parameters)
    place = next(fitting, None)
    if place is None:
        yield unchecked("its parameters: no params.yaml with the hash of the file is known to compare them with")
        return
    if RESTORED in trace.run.tags:
        yield unchecked("its parameters: a restored run has none")
        return
    wanted = {key: str(value) for key, value in flatten(place.settings)}
    logged = dict(trace.run.parameters)
    wrong = sorted(key for key in wanted if logged.get(key) != wanted[key])
    if not wrong:
        yield Check("ok", f"its {len(wanted)} parameters are those of params.yaml {place.shown}")
    for key in wrong:
        yield Check("broken", f"parameter {key}", logged.get(key, ""), wanted[key], CORRECT)


def registered(trace: Trace) -> Link:
    """Check the tags and the stored file of each registered version of the file."""
    if trace.store is None:
        return Link("registered", "no", [unchecked(_no_run(trace))])
    try:
        versions = _versions_of(trace)
    except PenstockError as error:
        return Link("registered", "unknown", [unchecked(str(error))])
    if not versions:
        return Link("registered", "no", [unchecked("no version of this file; `penstock register` registers it")])
    checks = [check for version in versions for check in _version(trace, version)]
    facts = {"versions": [{"uri": one.uri, "aliases": list(one.aliases), "run_id": one.run_id} for one in versions]}
    return Link("registered", "; ".join(map(_shown, versions)), checks, facts)


def _versions_of(trace: Trace) -> list[StoredVersion]:
    """Return the versions that say that they have the file, and the one that the user named."""
    assert trace.store
    name = trace.subject.registered_name
    found = trace.store.versions(name) if name else []
    return [one for one in found if trace.subject.sha256 == one.onnx_sha256 or one.version == trace.subject.version]


def _shown(version: StoredVersion) -> str:
    aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
    return f"{version.uri}{aliases}"


def _version(trace: Trace, version: StoredVersion) -> Iterator[Check]:
    remedy = "the version is not of this file; `penstock register` registers the file again"
    values = {ONNX_SHA256: trace.subject.sha256, DATA: trace.provenance.data, PARAMETERS: trace.provenance.parameters}
    for tag, expected in values.items():
        yield compared(f"{version.uri}: tag {tag}", version.tags.get(tag, ""), expected, remedy)
    if trace.run:
        yield compared(f"{version.uri}: it names the run", version.run_id, trace.run.run_id, remedy)
    yield _stored_file(trace, version, remedy)


def _stored_file(trace: Trace, version: StoredVersion, remedy: str) -> Check:
    assert trace.store
    try:
        path, _ = trace.store.download_version(version.uri, trace.folder / "versions")
    except PenstockError as error:
        return Check("broken", f"{version.uri}: {error}", remedy=remedy)
    return compared(f"{version.uri}: sha256 of its file in MLflow", sha256(path), trace.subject.sha256, remedy)


def served(subject: Subject, servers: Sequence[ServedFile]) -> Link:
    """Check that servers have this very file, and say the same of it."""
    if not servers:
        return Link("served", "unknown", [unchecked("name servers to ask: --server http://HOST:PORT/v2/models/NAME")])
    checks = [check for server in servers for check in _server(subject, server)]
    facts = {"servers": [{"address": one.address, "sha256": one.sha256} for one in servers]}
    return Link("served", ", ".join(one.address for one in servers), checks, facts)


def _server(subject: Subject, server: ServedFile) -> Iterator[Check]:
    remedy = f"the server has another file: `penstock lineage {server.address}` traces it"
    digits = len(server.sha256)
    if subject.path is None:
        yield unchecked(f"{server.address} serves {server.sha256}; no such file is here to compare it with")
        return
    text = f"{server.address} serves these bytes"
    yield compared(text, server.sha256, subject.sha256[:digits], remedy)
    if server.sha256 != subject.sha256[:digits]:
        return
    for key in filter(subject.metadata.__contains__, IDENTITY):
        found, expected = server.metadata.get(key, ""), subject.metadata[key]
        yield compared(f"{server.address} names the same {key}", found, expected, remedy)
