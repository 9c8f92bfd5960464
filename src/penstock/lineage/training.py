"""The links of the training: parameters, code, commit, and weights."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Literal

from penstock.config.own_code import own_code
from penstock.config.resolved import resolved_settings
from penstock.core.digests import file_digest
from penstock.core.errors import MissingFileError
from penstock.core.plurals import counted
from penstock.io.weights import read_provenance
from penstock.lineage.links import Check, Link, compared, short, unchecked
from penstock.lineage.place import SHORT, Place
from penstock.lineage.trace import Trace
from penstock.tracking.run import flatten

WIDTH = 90  # of a line of settings
MOST_SETTINGS = 3  # that a message names; --json has all


def parameters(trace: Trace) -> Link:
    """Check the hash of the settings of params.yaml against the one that the file names."""
    expected, place = trace.provenance.parameters, trace.place
    settings = dict(flatten(place.settings)) if place else {}
    what = f"{counted(len(settings), 'setting')}, {short(expected)}" if settings else short(expected)
    facts = {"hash": expected, "settings": settings}
    return Link("parameters", what, [_hashed(trace, "parameters")], facts, list(_set_in_params(place)))


def _set_in_params(place: Place | None) -> Iterator[str]:
    """Yield lines with the settings that are not defaults."""
    if place is None or place.config is None:
        return
    prefix = f"{place.config.block_of_model(place.model)}.{place.model}."
    settings = resolved_settings(place.project.params, place.config, place.model)
    changed = {one.key.removeprefix(prefix): one.value for one in settings if not one.source.startswith("default")}
    relevant = dict(flatten(place.settings))
    texts = [f"{key}={value}" for key, value in changed.items() if key in relevant]
    yield from textwrap.wrap(", ".join(texts), WIDTH, break_long_words=False, break_on_hyphens=False)


def code(trace: Trace) -> Link:
    """Check the hash of the source files of the training against the one that the file names."""
    return Link("code", short(trace.provenance.code), [_hashed(trace, "code")], {"hash": trace.provenance.code})


def _hashed(trace: Trace, kind: Literal["parameters", "code"]) -> Check:
    """Check a hash in each place that may have it; one that fits is enough."""
    checks = [_hashed_in(trace, place, kind) for place in trace.places]
    order = {"ok": 0, "broken": 1, "not checked": 2}
    nowhere = unchecked(trace.problems.get("commit") or f"{trace.other_files}, and no commit of it is known")
    return min(checks, key=lambda check: order[check.status], default=nowhere)


def _hashed_in(trace: Trace, place: Place, kind: Literal["parameters", "code"]) -> Check:
    if kind not in place.hashes:
        return unchecked(f"{place.shown}: {place.problem or 'dvc.yaml is of another version of Penstock'}")
    found, expected = place.hashes[kind], getattr(trace.provenance, kind)
    source = "params.yaml" if kind == "parameters" else "the source files"
    if found == expected:
        machine = f"; `auto` was {place.machine} where it was trained" if kind == "parameters" and place.machine else ""
        return Check("ok", f"{source} {place.shown}: hashed, as the ONNX file names it{machine}")
    if place is not trace.here and (reason := _excuse(trace, place)):
        return unchecked(f"{source} {place.shown}: {reason}")
    differing = _differing(trace, place) if kind == "parameters" else ""
    return Check("broken", f"{source} {place.shown}{differing}", found, expected, _remedy(trace, kind))


def _excuse(trace: Trace, place: Place) -> str:
    """Return why a commit may have other hashes than the file that was made from it."""
    if trace.has_uncommitted_changes:
        return "the run had changes that were not committed"
    return "" if place.computes_alike(trace.here) else "another version of Penstock computed the hash"


def _differing(trace: Trace, place: Place) -> str:
    """Name the settings that differ from those that the run logged."""
    trained = trace.run.parameters if trace.run else {}
    now = {key: str(value) for key, value in flatten(place.settings)}
    keys = [key for key in sorted(trained.keys() | now.keys()) if trained.get(key) != now.get(key)] if trained else []
    shown = [f"{key} {now.get(key, 'unset')}, trained with {trained.get(key, 'unset')}" for key in keys[:MOST_SETTINGS]]
    more = [f"{len(keys) - MOST_SETTINGS} more"] if len(keys) > MOST_SETTINGS else []
    return f": {'; '.join([*shown, *more])}" if shown else ""


def _remedy(trace: Trace, kind: Literal["parameters", "code"]) -> str:
    retrain = f"`dvc repro train@{trace.provenance.model}` trains with these"
    place = trace.at_commit
    if place and place.hashes.get(kind) == getattr(trace.provenance, kind):
        own = sorted(own_code(place.config)) if place.config else []
        paths = "params.yaml" if kind == "parameters" else " ".join(["src pipelines dvc.yaml", *own])
        return f"{retrain}; `git checkout {trace.commit[:SHORT]} -- {paths}` brings those of the file back"
    return retrain


def commit(trace: Trace) -> Link:
    """Check that the commit has the parameters and the code that the file names."""
    shown = trace.commit[:SHORT] or "unknown"
    changes = " with changes" if trace.has_uncommitted_changes else ""
    return Link("commit", f"{shown}{changes}", list(_commit(trace)), {"commit": trace.commit, "changes": bool(changes)})


def _commit(trace: Trace) -> Iterator[Check]:
    place, expected = trace.at_commit, asdict(trace.provenance)
    if place is None:
        reason = trace.problems.get("commit") or "no run names it, and the project is not at a commit"
        yield unchecked(reason)
        return
    for kind in ("parameters", "code"):
        if kind not in place.hashes:
            yield unchecked(f"{kind} {place.shown}: {place.problem or 'dvc.yaml is of another version of Penstock'}")
        elif place.hashes[kind] == expected[kind]:
            yield Check("ok", f"{kind} {place.shown}: hashed, as the ONNX file names it")
        elif reason := _excuse(trace, place) or _is_only_checked_out(trace):
            yield unchecked(f"{kind} {place.shown}: {reason}")
        else:
            remedy = "the file was not trained at this commit; train it again, or correct the record"
            yield Check("broken", f"{kind} {place.shown}", place.hashes[kind], expected[kind], remedy)


def _is_only_checked_out(trace: Trace) -> str:
    """Return why a commit that nobody recorded may differ."""
    is_recorded = trace.subject.commit or trace.run
    return "" if is_recorded else "it is checked out, but no run says that the file was trained there"


def weights(trace: Trace) -> Link:
    """Check the header of the weights against the file, and their md5 against dvc.lock."""
    path = trace.files.weights if trace.files else None
    if path is None or not path.is_file():
        return Link("weights", "weights.safetensors", [unchecked("the weights are not here; `dvc pull` brings them")])
    shown = trace.project.shown(path)
    try:
        header = asdict(read_provenance(path))
    except MissingFileError as error:
        remedy = f"`dvc checkout {shown}` or `dvc repro train@{trace.provenance.model}`"
        return Link("weights", shown, [Check("broken", str(error), remedy=remedy)])
    if header != asdict(trace.provenance) and not trace.is_here:
        return Link("weights", shown, [unchecked(f"{shown} is of another training")])
    facts = {"path": shown, "md5": file_digest(path, "md5")}
    return Link("weights", shown, [*_header(trace, shown, header), *_locked_weights(trace, shown, facts["md5"])], facts)


def _header(trace: Trace, shown: str, header: Mapping[str, str]) -> Iterator[Check]:
    remedy = f"`dvc repro export@{trace.provenance.model}` exports these weights"
    for key, expected in asdict(trace.provenance).items():
        yield compared(f"{shown}: its header names the same {key} as the ONNX file", header[key], expected, remedy)


def _locked_weights(trace: Trace, shown: str, found: str) -> Iterator[Check]:
    stage = f"train@{trace.provenance.model}"
    if trace.is_here and (md5 := trace.here.lock.md5(stage, "outs", shown)):
        remedy = f"`dvc checkout {shown}` or `dvc repro {stage}` writes it again"
        yield compared(f"{shown}: md5 as in dvc.lock, output of {stage}", found, md5, remedy)
