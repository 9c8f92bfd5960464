"""The record of Penstock's installed code in a project without a clone: pipelines/penstock.json.

In a clone, the stages depend on folders of src/penstock. Elsewhere they depend on the hashes of the same folders in
this record, as DVC params. `penstock init` writes it, and `penstock init --update` after an upgrade.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import penstock
from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.io.files import canonical_hash, read_json, sha256

PACKAGE = "penstock"
SOURCE = f"src/{PACKAGE}"
LEFT_OUT = ("__pycache__", "template")  # bytecode; what `penstock init` copies

Record = dict[str, Any]


def package_folder() -> Path:
    """Return the folder of the code that runs."""
    return Path(penstock.__path__[0]).resolve()


def has_own_source(project: Project) -> bool:
    """Return whether a project is a clone, which contains the code that its stages run."""
    return (project.root / SOURCE).is_dir()


def installed_code() -> Record:
    """Return `version`, and by path without `.py` the SHA-256 of each Python file and of the files of each folder."""
    root = package_folder()
    files = {path.relative_to(root.parent).as_posix(): sha256(path) for path in _files(root)}
    folders = {parent.as_posix() for name in files for parent in Path(name).parents if parent != Path()}
    return {
        "version": version(PACKAGE),
        "files": {name.removesuffix(".py"): found for name, found in sorted(files.items()) if name.endswith(".py")},
        "folders": {
            folder: canonical_hash({name: found for name, found in files.items() if name.startswith(f"{folder}/")})
            for folder in sorted(folders)
        },
    }


def _files(root: Path) -> list[Path]:
    return [
        path
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not set(path.relative_to(root).parts) & set(LEFT_OUT)
    ]


def record_key(source: str) -> str:
    """Return the key in the record of a path such as `src/penstock/io`; it may contain placeholders of DVC."""
    path = source.removeprefix("src/")
    return f"files.{path.removesuffix('.py')}" if path.endswith(".py") else f"folders.{path}"


def recorded_sources(record: Record, key: str) -> dict[str, str]:
    """Return the SHA-256 of each Python file that a key of the record stands for, by its path in a clone."""
    kind, _, path = key.partition(".")
    files: dict[str, str] = record["files"]
    chosen = [path] if kind == "files" else [name for name in files if name.startswith(f"{path}/")]
    return {f"src/{name}.py": files[name] for name in chosen}


def require_recorded_code(project: Project) -> None:
    """Require that this process runs the code that the project's record has the hashes of.

    Raises:
        ConfigError: The record is missing, or penstock has been upgraded or changed since.
    """
    shown = project.shown(project.code_record)
    if not project.code_record.is_file():
        raise ConfigError(f"{shown}: no such file: run `penstock init --update`")
    record, here = read_json(project.code_record), installed_code()
    if all(record.get(part) == here[part] for part in here):
        return
    raise ConfigError(
        f"{shown} is of penstock {record.get('version')}, and this process runs {here['version']} in "
        f"{package_folder()}{', with other code' if record.get('version') == here['version'] else ''}: "
        "run `penstock init --update`; the stages whose code differs then run again"
    )
