"""Find the parameters and metrics of a model file: in the project, in a copy of it, or in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.comparison.candidate import Candidate, Record
from penstock.config.loading import load_config
from penstock.core.errors import ConfigError, MissingFileError
from penstock.core.paths import ModelFiles, Project
from penstock.io.files import canonical_hash, read_json
from penstock.io.provenance import training_relevant_settings
from penstock.registry.stored_models import StoredRun
from penstock.tracking.run import flatten

# The sections of the reports whose numbers are metrics; a run in MLflow has the same names.
REPORTED = {"validation": ("test", "baseline", "parity", "int8"), "training": ("train", "val")}
OF_EXACT_FILE = ("test/", "behaviour/", "parity/", "latency/", "int8/", "model/onnx_bytes")
COUNTS = ("parameters", "epochs", "best_epoch")


def record_of(candidate: Candidate, project: Project, files: ModelFiles | None, run: StoredRun | None) -> Record:
    """Return the parameters and metrics of a file; only records of this very file count.

    Args:
        candidate: The file.
        project: The project, or a copy of its files at a revision.
        files: The files of the model in `project`; None if it has none.
        run: The run of the file's training; None if there is none.
    """
    parameters = _settings(candidate, project) or (run.parameters if run else None) or None
    reported = _reported(candidate, files) if files else {}
    metrics = {**reported, **(run.metrics if run else {})}
    return Record(parameters, _of_int8(metrics) if candidate.is_int8 else metrics)


def _of_int8(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that hold for the int8 file of a model: those of its training, and its own latency."""
    kept = {name: value for name, value in metrics.items() if not name.startswith(OF_EXACT_FILE)}
    own = metrics.get("int8/latency_batch_1_ms")
    return kept if own is None else {**kept, "latency/batch_1_ms": own}


def _settings(candidate: Candidate, project: Project) -> dict[str, str] | None:
    """Return the settings of params.yaml, if the file was trained with them."""
    provenance = candidate.provenance
    try:
        config = load_config(project.params)
        settings = training_relevant_settings(config, provenance.model)
    except ConfigError:  # params.yaml of another version of Penstock, or without this model
        return None
    if canonical_hash(settings) != provenance.parameters:
        return None
    return {key: str(value) for key, value in flatten(settings)}


def _reported(candidate: Candidate, files: ModelFiles) -> dict[str, float]:
    """Return the metrics of the reports, if they are of this file; a latency is that of the run."""
    validation, training = _read(files.validation_report), _read(files.training_report)
    if candidate.sha256 not in (validation.get("onnx", {}).get("sha256"), validation.get("int8", {}).get("sha256")):
        return {}
    found = {
        f"{section}/{name}": value
        for report, sections in ((validation, REPORTED["validation"]), (training, REPORTED["training"]))
        for section in sections
        for name, value in report.get(section, {}).items()
    }
    found |= {f"behaviour/{test}": result["passed"] for test, result in validation.get("behaviour", {}).items()}
    found |= {f"model/{name}": training[name] for name in COUNTS if name in training}
    return {name: float(value) for name, value in found.items() if type(value) in (int, float)}


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except MissingFileError:
        return {}
