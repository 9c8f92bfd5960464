"""The links of the model file: the ONNX file itself, and its validation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors import safe_open

from penstock.core.digests import file_digest
from penstock.core.errors import MissingFileError, PenstockError
from penstock.core.model_files import DIGESTS, INT8, ONNX
from penstock.core.paths import ModelFiles
from penstock.evaluation.gates import registration_checks
from penstock.export.onnx_file import read_model
from penstock.io.files import read_json, sha256
from penstock.io.weights import read_provenance
from penstock.lineage.links import Check, Link, compared, short, unchecked
from penstock.lineage.trace import Trace

SHOWN = "shown."  # prefix of tensors of a weights file that are no weights


def onnx_file(trace: Trace) -> Link:
    """Check the weights in the ONNX file against weights.safetensors, and its md5 against dvc.lock."""
    subject = trace.subject
    facts = {"sha256": subject.sha256, "metadata": dict(subject.metadata)}
    if subject.path is None:
        return Link("ONNX file", subject.sha256, [unchecked("only the server has the file; nothing here is it")], facts)
    checks = [*_named(trace), _tensors(trace, subject.path), *_locked_file(trace, subject.path)]
    return Link("ONNX file", f"{subject.shown}, sha256 {short(subject.sha256)}", checks, facts)


def _named(trace: Trace) -> Iterator[Check]:
    """Check that the file is one of the model that was asked for."""
    if expected := trace.subject.model:
        remedy = f"`dvc checkout` or `dvc repro export@{expected}` writes the file of {expected} again"
        yield compared("its metadata name the model", trace.provenance.model, expected, remedy)


def _tensors(trace: Trace, path: Path) -> Check:
    """Check that the file is made from its source: the weights, or for an int8 file the exact file."""
    files = trace.files
    if trace.subject.is_int8:
        return _requantized(trace, path, files)
    if files is None or not files.weights.is_file():
        return unchecked("the weights are not here to compare with; `dvc pull` brings them")
    try:
        header = read_provenance(files.weights)
    except MissingFileError:
        return unchecked("the weights cannot be read")
    shown = trace.project.shown(files.weights)
    if header.key != trace.provenance.key:
        return unchecked(f"{shown} is of another training, so the values are not compared")
    missing, total = _missing(path, files.weights)
    if not missing:
        return Check("ok", f"the values of all {total} tensors of {shown} are in the file")
    return _exported_again(trace, path, missing, total)


def _missing(path: Path, weights: Path) -> tuple[list[str], int]:
    """Return the tensors of which a value is not in an ONNX file, and the number of all.

    The exporters rename, transpose and join tensors, and so keep their values; they change those of normalization.
    """
    values = np.unique(np.concatenate([np.zeros(0, np.float32), *_constants(read_model(path).graph)]))
    with safe_open(weights, framework="np") as file:
        names = [name for name in file.keys() if not name.startswith(SHOWN)]  # noqa: SIM118  (it is no mapping)
        missing = [name for name in names if not np.isin(np.ravel(file.get_tensor(name)), values).all()]
    return missing, len(names)


def _constants(graph: Any) -> Iterator[NDArray[np.float32]]:  # noqa: ANN401  (GraphProto)
    """Yield all constants of a graph, at any depth, as flat float32 arrays."""
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    for tensor in [*graph.initializer, *(one.t for one in attributes if one.HasField("t"))]:
        array = numpy_helper.to_array(tensor)
        if array.dtype.kind == "f":
            yield np.ravel(array).astype(np.float32)
    for attribute in attributes:
        if attribute.HasField("g"):
            yield from _constants(attribute.g)


def _exported_again(trace: Trace, path: Path, missing: list[str], total: int) -> Check:
    """Export the weights again, since a part of their values is not in the file: the bytes must be the same."""
    from penstock.export.graph import export
    from penstock.io.processed_dataset import ProcessedDataset
    from penstock.io.weights import load_weights
    from penstock.models.common.build import build_network

    config, files = trace.here.config, trace.files
    assert config
    assert files
    named = f"{len(missing)} of {total} tensors of {trace.project.shown(files.weights)}, such as {missing[0]}"
    try:
        model = config.model(trace.provenance.model)
        processed = ProcessedDataset(trace.project.processed(model.dataset))
        network = build_network(model, processed.info)
        provenance = load_weights(files.weights, network)
        with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
            again = Path(folder) / path.name
            export(trace.provenance.model, model, network, processed, provenance, again)
            found = sha256(again)
    except PenstockError as error:
        return unchecked(f"{named}, are in the file with other values, and cannot be exported again: {error}")
    remedy = f"`dvc repro export@{trace.provenance.model}` or `dvc checkout` writes the file again"
    if found == trace.subject.sha256:
        return Check("ok", "the weights, exported again, give the same bytes")
    text = f"the file is not what the weights are exported to; {named} are not in it"
    return Check("broken", text, trace.subject.sha256, found, remedy)


def _requantized(trace: Trace, path: Path, files: ModelFiles | None) -> Check:
    from penstock.export.quantize import write_int8

    if files is None or not files.onnx.is_file() or not trace.is_here:
        return unchecked("the exact file is not here to quantize again")
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        write_int8(Path(folder) / INT8, files.onnx)
        found = sha256(Path(folder) / INT8)
    text = f"{trace.project.shown(files.onnx)}, quantized again, gives the same bytes"
    remedy = f"`dvc repro export@{trace.provenance.model}` or `dvc checkout` writes the file again"
    return compared(text, sha256(path), found, remedy)


def _locked_file(trace: Trace, path: Path) -> Iterator[Check]:
    place, stage = trace.locked, f"export@{trace.provenance.model}"
    if place is None or place.files is None:
        return
    named = place.project.shown(place.files.int8 if trace.subject.is_int8 else place.files.onnx)
    if md5 := place.lock.md5(stage, "outs", named):
        remedy = f"`dvc checkout {named}` or `dvc repro {stage}` writes it again"
        text = f"md5 as in dvc.lock {place.shown}, output of {stage}"
        yield compared(text, file_digest(path, "md5"), md5, remedy)


def validation(trace: Trace) -> Link:
    """Check that validation.json and the report are about this file, and that the report passes the gates."""
    place = trace.locked
    files = place.files if place else None
    if place is None or files is None:
        return Link("validation", "unknown", [unchecked(trace.other_files)])
    checks = [*_record(trace, files), *_report(trace, files), *_gates(trace, files)]
    facts = {"record": _read(files.validation), "report": _read(files.validation_report)}
    return Link("validation", place.project.shown(files.validation), checks, facts)


def _record(trace: Trace, files: ModelFiles) -> Iterator[Check]:
    """Check the record that lets a server accept the file; it is not in git."""
    if not trace.is_here:
        return
    record, shown = _read(files.validation), trace.project.shown(files.validation)
    remedy = f"`dvc repro register@{trace.provenance.model}` checks the gates again"
    if not record:
        yield unchecked(f"{shown} is not here, so the file passed no gates; {remedy}")
        return
    key = DIGESTS[INT8 if trace.subject.is_int8 else ONNX]
    if trace.subject.is_int8 and key not in record:
        yield unchecked(f"{shown} does not name the int8 file: `int8.serve` of the model is false, so it is not served")
        return
    yield compared(f"{shown}: it names this file", str(record.get(key, "")), trace.subject.sha256, remedy)
    for name, expected in asdict(trace.provenance).items():
        yield compared(f"{shown}: it names the same {name}", str(record.get(name, "")), expected, remedy)
    stage = f"register@{trace.provenance.model}"
    if md5 := trace.here.lock.md5(stage, "outs", shown):
        found = file_digest(files.validation, "md5")
        yield compared(f"{shown}: md5 as in dvc.lock, output of {stage}", found, md5, remedy)


def _report(trace: Trace, files: ModelFiles) -> Iterator[Check]:
    report = _read(files.validation_report)
    section = report.get("int8" if trace.subject.is_int8 else "onnx", {})
    remedy = f"`dvc repro validate@{trace.provenance.model}` measures the file again"
    if not report:
        yield unchecked(f"there is no report; {remedy}")
        return
    text = f"{files.validation_report.name} in reports: it is about this file"
    yield compared(text, str(section.get("sha256", "")), trace.subject.sha256, remedy)


def _gates(trace: Trace, files: ModelFiles) -> Iterator[Check]:
    """Compare the scores of the reports with the limits of params.yaml again."""
    config = trace.locked.config if trace.locked else None
    report, training = _read(files.validation_report), _read(files.training_report)
    if config is None or not report:
        return
    try:
        gates = registration_checks(config.model(trace.provenance.model), training, report)
    except KeyError as error:
        yield unchecked(f"the reports have no {error}, which a gate needs")
        return
    remedy = f"`dvc repro register@{trace.provenance.model}` says which gates fail"
    for name, gate in gates.items():
        text = f"gate {name}: {gate}"
        if gate.passed:
            yield Check("ok", text)
        else:
            yield Check("broken", text, f"{gate.value:g}", f"{gate.limit:g}", remedy)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except MissingFileError:
        return {}
