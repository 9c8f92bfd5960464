"""Compare the local files of a dataset with those that params.yaml declares.

A dataset is the files with the declared sha256, so an edited file is another dataset (`penstock update`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote

from penstock.config.data import DatasetConfig, FileConfig
from penstock.io.files import sha256


def changed_files(datasets: Mapping[str, DatasetConfig], root: Path) -> Iterator[str]:
    """Yield a message for each file that differs from its entry in params.yaml, with the command.

    Args:
        datasets: Datasets by name. A file that does not exist is left out: another clone need not have it.
        root: Base folder of `folder`.
    """
    for name, dataset in datasets.items():
        if dataset.folder is None:
            continue
        for file, declared in dataset.files.items():
            path = Path(dataset.folder) / file
            if is_changed(root / path, declared):
                yield f"{path}: differs from datasets.{name}.files in params.yaml; {remedy(name, path, root)}"


def is_changed(path: Path, declared: FileConfig) -> bool:
    """Return whether a file exists, and is not the declared one."""
    return path.is_file() and (path.stat().st_size != declared.bytes or sha256(path) != declared.sha256)


def remedy(name: str, path: Path, root: Path) -> str:
    """Return what to do about a file that is missing or not the declared one; empty if nothing is known.

    Args:
        name: Name of the dataset.
        path: The file, relative to `root`.
        root: Folder of params.yaml.
    """
    update = f"`penstock update {name}` records an edited file" if (root / path).is_file() else ""
    if (root / f"{path}.dvc").is_file():
        return f"`dvc pull {quote(str(path))}` brings the declared file" + (f", {update}" if update else "")
    return update
