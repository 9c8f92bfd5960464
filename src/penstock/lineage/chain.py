"""Put the links of a chain together, in the order in which a model is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from penstock.lineage import artifact, data, records, training
from penstock.lineage.links import Link, short, unchecked
from penstock.lineage.server import ServedFile
from penstock.lineage.subject import Found, Subject
from penstock.lineage.trace import Trace, open_trace


class Chain(NamedTuple):
    """The lineage of a model file."""

    subject: Subject
    links: Sequence[Link]
    trace: Trace | None
    """None outside a project, and for a file that Penstock did not export: then nothing can be computed again."""


def chain_of(found: Found, servers: Sequence[ServedFile]) -> Chain:
    """Compute the chain of a subject again.

    Args:
        found: The subject.
        servers: Further servers to ask, besides the one that the user named.
    """
    trace = open_trace(found)
    if trace is None:
        of_servers = [records.served(found.subject, servers)] if servers else []
        return Chain(found.subject, [*_of_metadata(found), *of_servers], None)
    asked = [*([found.subject.served] if found.subject.served else []), *servers]
    links = [
        data.source_files(trace),
        data.processed_data(trace),
        training.parameters(trace),
        training.code(trace),
        training.commit(trace),
        records.run(trace),
        training.weights(trace),
        artifact.onnx_file(trace),
        artifact.validation(trace),
        records.registered(trace),
        records.served(found.subject, asked),
    ]
    return Chain(found.subject, links, trace)


def _of_metadata(found: Found) -> Iterator[Link]:
    """Yield what the metadata of a file say, without any check, where there is nothing to compare them with."""
    subject = found.subject
    reason = "there is no Penstock project here" if found.project is None else "Penstock did not export this file"
    reason += "; below is what its metadata say"
    facts = {"sha256": subject.sha256, "metadata": dict(subject.metadata)}
    yield Link("ONNX file", f"{subject.shown}, sha256 {short(subject.sha256)}", [unchecked(reason)], facts)
    for name, value in subject.metadata.items():
        yield Link(name, value, [], {"value": value})
