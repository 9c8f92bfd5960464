"""Compare the files of one's own with those that params.yaml describes.

A dataset is the files with the declared sha256, so an edited file is another dataset (`penstock update`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from penstock.config.data import DatasetConfig, FileConfig
from penstock.io.files import sha256


def changed_files(datasets: Mapping[str, DatasetConfig], root: Path) -> Iterator[str]:
    """Yield one line for each file that differs from its entry, and says what to do.

    Args:
        datasets: Datasets by name. Files that are not there are left out: another clone need not have them.
        root: Base folder of `folder`.
    """
    for name, dataset in datasets.items():
        if dataset.folder is None:
            continue
        for file, declared in dataset.files.items():
            if is_changed(root / dataset.folder / file, declared):
                yield (
                    f"{(Path(dataset.folder) / file).as_posix()}: differs from datasets.{name}.files in params.yaml; "
                    f"`penstock update {name}` takes it as it is now"
                )


def is_changed(path: Path, declared: FileConfig) -> bool:
    """Return whether a file is there, and is not the declared one."""
    return path.is_file() and (path.stat().st_size != declared.bytes or sha256(path) != declared.sha256)
