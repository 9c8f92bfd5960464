"""Tell whether params.yaml has the models of a project's folders, and what one lacks to be served.

A folder stays when its model is renamed in params.yaml, removed, or of another branch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from penstock.core.digests import file_digest
from penstock.core.file_state import FileState
from penstock.core.model_files import ONNX
from penstock.core.paths import ModelFiles, Project

Block = Literal["models", "tuned"]

_read: dict[Path, tuple[FileState | None, dict[str, Any]]] = {}


def is_listed(home: Path) -> bool:
    """Return whether params.yaml has the model of a folder. Folders outside a project need no params.yaml.

    Args:
        home: Folder of one model, such as `models/mnist_cnn` of a project.
    """
    project, block = _project_of(home)
    return project is None or home.name in (_params(project.params).get(block) or {})


def is_of_project(home: Path) -> bool:
    """Return whether the folder of a model is one of a project, whose pipeline validates its models."""
    return _project_of(home)[0] is not None


def listed_names(folders: Sequence[Path]) -> Iterator[str]:
    """Yield the models of params.yaml that the folders of a project may have, exported or not."""
    for folder in folders:
        project, block = _project_of(folder / ONNX)
        if project is not None:
            yield from _params(project.params).get(block) or ()


def missing_step(home: Path) -> str:
    """Return a sentence about the step that a model of params.yaml lacks; empty if it lacks none, or is not listed.

    Args:
        home: Folder of the model, which need not exist.
    """
    project, block = _project_of(home)
    if project is None or not is_listed(home):
        return ""
    pipeline = "" if block == "models" else f"{block}/dvc.yaml:"
    return _missing(project.model(home.name, block), f"`penstock repro {pipeline}register@{home.name}`")


def _missing(files: ModelFiles, command: str) -> str:
    if not files.onnx.is_file():
        if files.weights.is_file():
            return f"not exported yet; run {command}"
        return f"not here; {command} trains it, or `dvc pull` brings it from a remote"
    if files.validation.is_file():
        return ""
    if not _report_matches(files):
        return f"exported, but not validated yet; run {command}"
    return f"validated, but it has not passed its gates; {command} checks them, and names what it misses"


def _report_matches(files: ModelFiles) -> bool:
    """Return whether the validation report, which git keeps, is of the ONNX file that is here."""
    try:
        report = json.loads(files.validation_report.read_bytes())
        return bool(report["onnx"]["sha256"] == file_digest(files.onnx, "sha256"))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def unlisted_models(folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the folders of models that params.yaml does not have."""
    for folder in folders:
        homes = sorted(path.parent for path in folder.glob(f"[!.]*/{ONNX}"))
        yield from (home for home in homes if not is_listed(home))


def _project_of(home: Path) -> tuple[Project | None, Block]:
    """Return the project that a model's folder belongs to, and the block of params.yaml that its model is in."""
    folder = home.parent.resolve()
    places: dict[Block, Project] = {"models": Project(folder.parent), "tuned": Project(folder.parent.parent)}
    for block, project in places.items():
        if folder in project.served and project.pipeline.is_file() and project.params.is_file():
            return project, block
    return None, "models"


def _params(path: Path) -> dict[str, Any]:
    """Return the content of params.yaml, parsed once for as long as it stays unchanged.

    While somebody edits it and it is no valid YAML, its last content counts; without one, no model is listed.
    """
    from ruamel.yaml import YAML  # a server outside a project needs none
    from ruamel.yaml.error import YAMLError

    state = FileState.of(path)
    seen, content = _read.get(path, (None, {}))
    if seen == state:
        return content
    try:
        parsed = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError):
        return content
    _read[path] = (state, parsed if isinstance(parsed, dict) else {})
    return _read[path][1]
