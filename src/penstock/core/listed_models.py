"""Tell whether params.yaml has the models of a project's folders.

A folder stays when its model is renamed in params.yaml, removed, or of another branch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from penstock.core.file_state import FileState
from penstock.core.model_files import ONNX
from penstock.core.paths import Project

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


def unlisted_models(folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the folders of models that params.yaml does not have."""
    for folder in folders:
        homes = sorted(path.parent for path in folder.glob(f"[!.]*/{ONNX}"))
        yield from (home for home in homes if not is_listed(home))


def _project_of(home: Path) -> tuple[Project | None, str]:
    """Return the project that a model's folder belongs to, and the block of params.yaml that its model is in."""
    folder = home.parent.resolve()
    for project, block in ((Project(folder.parent), "models"), (Project(folder.parent.parent), "tuned")):
        if folder in project.served and project.pipeline.is_file() and project.params.is_file():
            return project, block
    return None, ""


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
