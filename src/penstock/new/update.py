"""`penstock update`: write size, hash and number of rows of a dataset's present files into params.yaml."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from penstock.config.data import DatasetConfig
from penstock.config.loading import load_config
from penstock.core.console import output
from penstock.core.errors import ConfigError, DownloadError
from penstock.core.paths import Project
from penstock.data.declared_files import is_changed, remedy
from penstock.data.sources.read import read_batches
from penstock.io.files import sha256
from penstock.new.card import correct_card
from penstock.new.entries import with_settings
from penstock.new.place import OWN_FILES, fetch, pack

Entry = Mapping[str, int | str]
"""An entry of `files`: `bytes` and `sha256`."""


def update_dataset(project: Project, name: str, source: str | None = None) -> None:
    """Write what has changed in the files of a dataset into params.yaml; nothing if a row is not as declared.

    Args:
        project: The project.
        name: Name of the dataset.
        source: Folder to pack again, for an archive of `penstock new dataset`. None reads the files of the dataset,
            from its folder or its URLs.

    Raises:
        ConfigError: There is no such dataset, folder or archive; or params.yaml has changed meanwhile.
        DataFileError: A row is not as declared; the message names the file and the line.
        DownloadError: A file cannot be downloaded.
    """
    dataset = load_config(project.params).dataset(name)
    archive = None if source is None else _archive(project, name, dataset)
    with _present_files(project, name, dataset, source) as folder:
        changed = dict(_changed(dataset, folder))
        rows = _rows(dataset, folder) if changed or archive else dataset.checks.rows
        settings = {"files": changed, "checks": {"rows": rows}} if changed else {}
        change = with_settings(project.params, "datasets", name, settings)
        if archive:
            archive.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder / archive.name, archive)
    if not changed:
        hint = "" if archive or not _is_packed(project, name, dataset) else "; `--from FOLDER` packs a folder again"
        output.print(f"{name}: its files are those of {project.params.name}{hint}")
        return
    change.write()
    card = project.root / OWN_FILES / f"{name}.md"
    has_card = correct_card(card, dataset, changed, rows)
    _show(project, name, dataset, changed, rows)
    if has_card:
        output.print(f"{project.shown(card)}: size, hash and rows are corrected; see to its columns")
    output.print("\nNext:")
    output.print(f"  {f'dvc repro preprocess@{name}':<40} # checks the rows, and splits them", markup=False)
    output.print(f"  {'penstock repro':<40} # runs all that depends on them", markup=False)


def _archive(project: Project, name: str, dataset: DatasetConfig) -> Path:
    """Return the archive of a dataset whose folders `penstock new dataset` packed."""
    if not _is_packed(project, name, dataset):
        raise ConfigError(
            f"--from: datasets.{name} is not one archive that `penstock new dataset` packed; edit its files in place, "
            "and leave --from out"
        )
    return project.root / OWN_FILES / f"{name}.zip"


def _is_packed(project: Project, name: str, dataset: DatasetConfig) -> bool:
    folder = project.root / (dataset.folder or ".")
    return folder.resolve() == (project.root / OWN_FILES).resolve() and [*dataset.files] == [f"{name}.zip"]


@contextmanager
def _present_files(project: Project, name: str, dataset: DatasetConfig, source: str | None) -> Iterator[Path]:
    """Give the folder of the present files; it is a temporary one if they are packed or downloaded."""
    if source is None and dataset.folder is not None:
        folder = Path(dataset.folder)
        for file in dataset.files:
            if not (project.root / folder / file).is_file():
                advice = remedy(name, folder / file, project.root)
                raise ConfigError(f"{folder / file}: no such file" + (f"; {advice}" if advice else ""))
        yield project.root / folder
        return
    project.scratch.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=project.scratch) as temporary:
        if source is None:
            for file in dataset.files:
                _fetch_first(dataset.urls, file, Path(temporary))
        elif Path(source).is_dir():
            pack(Path(source), Path(temporary) / f"{name}.zip")
        else:
            raise ConfigError(f"--from {source}: no such folder")
        yield Path(temporary)


def _fetch_first(urls: tuple[str, ...], file: str, folder: Path) -> None:
    """Download a file from the first address that has it."""
    reasons = []
    for url in urls:
        try:
            return fetch(f"{url.rstrip('/')}/{file}", folder / file)
        except DownloadError as error:
            reasons.append(str(error))
    raise DownloadError("; ".join(reasons))


def _changed(dataset: DatasetConfig, folder: Path) -> Iterator[tuple[str, Entry]]:
    """Yield name and entry of each file that differs from its entry in params.yaml."""
    for name, declared in dataset.files.items():
        path = folder / name
        if is_changed(path, declared):
            yield name, {"bytes": path.stat().st_size, "sha256": sha256(path)}


def _rows(dataset: DatasetConfig, folder: Path) -> dict[str, int]:
    """Return the number of rows of each part; reading them checks that they are as declared."""
    return {part: sum(map(len, read_batches(dataset, folder, part))) for part in dataset.source.parts}


def _show(
    project: Project, name: str, old: DatasetConfig, changed: Mapping[str, Entry], rows: Mapping[str, int]
) -> None:
    for file, entry in changed.items():
        before, after = old.files[file], str(entry["sha256"])
        sizes = f"{before.bytes:,} -> {entry['bytes']:,} bytes"
        output.print(f"{file}: {sizes}, sha256 {before.sha256[:8]}… -> {after[:8]}…", markup=False)
    for part, count in rows.items():
        of_part = "" if part == "all" else f" of {part}"
        output.print(f"rows{of_part}: {old.checks.rows.get(part, 0):,} -> {count:,}")
    output.print(f"{project.params.name}: datasets.{name} is written")
