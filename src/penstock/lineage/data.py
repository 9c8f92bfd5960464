"""The links of the data: source files, and the processed dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from penstock.core.plurals import counted
from penstock.io.files import dvc_directory_hash, sha256
from penstock.lineage.links import Check, Link, compared, short, unchecked
from penstock.lineage.trace import Trace

ROLES = {"deps": "input", "outs": "output"}


def source_files(trace: Trace) -> Link:
    """Check the sha256 of the raw files against params.yaml, and their md5 against dvc.lock."""
    dataset, folder = trace.subject.dataset, trace.project.raw(trace.subject.dataset)
    shown = trace.project.shown(folder)
    place = trace.place
    if place is None or place.config is None or dataset not in place.config.datasets:
        return Link("source files", dataset, [unchecked(_no_settings(trace))])
    declared = place.config.dataset(dataset).files
    checks = [_source_file(trace, folder / name, file.sha256) for name, file in declared.items()]
    facts = {"dataset": dataset, "files": {name: file.sha256 for name, file in declared.items()}}
    if not folder.is_dir():
        checks = [unchecked(f"{shown} is not here; `dvc pull {shown}` or `dvc repro download@{dataset}` brings it")]
    elif trace.locked:
        checks += _locked_source(trace, folder)
    return Link("source files", f"{shown}, {counted(len(declared), 'file')}", checks, facts)


def _no_settings(trace: Trace) -> str:
    place = trace.place
    if place is None:
        return f"{trace.other_files}, and no commit of it is known"
    return place.problem or f"params.yaml {place.shown} has no dataset {trace.subject.dataset}"


def _source_file(trace: Trace, path: Path, declared: str) -> Check:
    shown, dataset = trace.project.shown(path), trace.subject.dataset
    if not path.is_file():
        return unchecked(f"{shown} is not here; `dvc pull {path.parent.relative_to(trace.project.root)}` brings it")
    remedy = f"`dvc repro --force --single-item download@{dataset}` downloads it again"
    return _unless_foreign(trace, compared(f"{shown}: sha256 as in params.yaml", sha256(path), declared, remedy))


def _unless_foreign(trace: Trace, check: Check) -> Check:
    """Files of the project that differ break only the chain of a file of the project."""
    if check.status == "broken" and not trace.is_here:
        return unchecked(f"{check.text}: {trace.other_files}")
    return check


def _locked_source(trace: Trace, folder: Path) -> Iterator[Check]:
    """Check that dvc.lock says that these files were downloaded, and processed."""
    assert trace.locked
    dataset, found = trace.subject.dataset, dvc_directory_hash(folder)
    shown = trace.project.shown(folder)
    for stage, kind in ((f"download@{dataset}", "outs"), (f"preprocess@{dataset}", "deps")):
        if md5 := trace.locked.lock.md5(stage, kind, shown):
            text = f"{shown}: md5 as in dvc.lock, {ROLES[kind]} of {stage}"
            yield _unless_foreign(trace, compared(text, found, md5, f"`dvc repro {stage}`, or `dvc checkout {shown}`"))


def processed_data(trace: Trace) -> Link:
    """Check the hash of the processed dataset against the one that the file names."""
    dataset, expected = trace.subject.dataset, trace.provenance.data
    folder = trace.project.processed(dataset)
    shown = trace.project.shown(folder)
    checks = [_processed(trace, folder, expected)]
    lock = trace.locked.lock if trace.locked else None
    if lock and (md5 := lock.md5(f"preprocess@{dataset}", "outs", shown)):
        remedy = f"`dvc repro train@{trace.provenance.model}` trains on the data of dvc.lock"
        checks.append(compared(f"dvc.lock: the output of preprocess@{dataset} is that data", md5, expected, remedy))
    return Link("processed data", f"{shown}, {short(expected)}", checks, {"path": shown, "hash": expected})


def _processed(trace: Trace, folder: Path, expected: str) -> Check:
    shown = trace.project.shown(folder)
    found = dvc_directory_hash(folder) if folder.is_dir() else ""
    if found != expected and not (found and trace.subject.named_here):
        return _cached(trace, shown, expected)
    remedy = f"`dvc checkout {shown}` or `dvc repro preprocess@{trace.subject.dataset}` writes it again"
    return compared(f"{shown}: all files hashed, as the ONNX file names it", found, expected, remedy)


def _cached(trace: Trace, shown: str, expected: str) -> Check:
    """Check the dataset in DVC's cache: its listing, and each file that this names."""
    cache = _cache_of(trace.project.root)
    if cache is None or not (listing := _object(cache, expected)).is_file():
        return unchecked(f"{shown} is other data or not here, and DVC's cache does not have {expected}; `dvc pull`")
    content = listing.read_bytes()
    if f"{_md5(content)}.dir" != expected:
        return Check(
            "broken", f"DVC's cache: {expected}", f"{_md5(content)}.dir", expected, "`dvc pull` after deleting it"
        )
    for entry in json.loads(content):
        path = _object(cache, entry["md5"])
        if not path.is_file():
            return unchecked(f"DVC's cache does not have {shown}/{entry['relpath']} of {expected}; `dvc pull`")
        if (found := _md5(path.read_bytes())) != entry["md5"]:
            text = f"DVC's cache: {shown}/{entry['relpath']}"
            return Check("broken", text, found, entry["md5"], f"delete {path.name} there, then `dvc pull`")
    return Check("ok", "all files in DVC's cache hashed, as the ONNX file names it")


def _cache_of(root: Path) -> Path | None:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            return Path(repo.cache.local.path)
    except DvcException:
        return None


def _object(cache: Path, md5: str) -> Path:
    return cache / md5[:2] / md5[2:]


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
