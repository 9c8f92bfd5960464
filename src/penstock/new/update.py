"""`penstock update`: the files of a dataset, as they are now, become those that params.yaml describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.config.data import DatasetConfig
from penstock.config.loading import load_config
from penstock.core.console import output
from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.data.own_files import is_changed
from penstock.data.sources.read import read_batches
from penstock.io.files import sha256, write_text
from penstock.new.card import file_line, rows_line
from penstock.new.params_file import Change
from penstock.new.place import OWN_FILES, fetch, pack, working_folder

Entry = Mapping[str, int | str]
"""An entry of `files`: `bytes` and `sha256`."""


@dataclass(frozen=True)
class _Update:
    """What has changed, for the data card and for people."""

    project: Project
    name: str
    old: DatasetConfig
    changed: Mapping[str, Entry]
    rows: Mapping[str, int]

    @property
    def card(self) -> Path:
        return self.project.root / OWN_FILES / f"{self.name}.md"

    def correct_card(self) -> None:
        """Write sizes, hashes and numbers of rows into the data card, if there is one."""
        if not self.card.is_file():
            return
        text = self.card.read_text(encoding="utf-8")
        text = text.replace(rows_line(self.old.checks.rows), rows_line(self.rows))
        for name, entry in self.changed.items():
            old = self.old.files[name]
            line = file_line(name, int(entry["bytes"]), str(entry["sha256"]))
            text = text.replace(file_line(name, old.bytes, old.sha256), line)
        write_text(self.card, text)

    def show(self) -> None:
        """Print what has changed, and what to run next."""
        for name, entry in self.changed.items():
            output.print(f"{name}: {self.old.files[name].bytes:,} -> {entry['bytes']:,} bytes", markup=False)
        for part, count in self.rows.items():
            of_part = "" if part == "all" else f" of {part}"
            output.print(f"rows{of_part}: {self.old.checks.rows.get(part, 0):,} -> {count:,}")
        card = f"; look through {self.project.shown(self.card)}" if self.card.is_file() else ""
        output.print(f"{self.project.params.name}: datasets.{self.name}{card}")
        output.print("\nNext:")
        output.print(f"  {f'dvc repro preprocess@{self.name}':<40} # checks the rows, and splits them", markup=False)
        output.print(f"  {'penstock repro':<40} # runs all that depends on them", markup=False)


def update_dataset(project: Project, name: str, source: str | None = None) -> None:
    """Write what has changed in the files of a dataset into params.yaml; nothing if a row is not as declared.

    Args:
        project: The project.
        name: Name of the dataset.
        source: Folder to pack anew, in place of an archive of `penstock new dataset`. None reads the files of the
            dataset, from its folder or its first URL.

    Raises:
        ConfigError: There is no such dataset, folder or archive.
        DataFileError: A row is not as declared; the message names the file and the line.
        DownloadError: A file cannot be downloaded.
    """
    dataset = load_config(project.params).dataset(name)
    if source is None:
        folder = _present_files(project, name, dataset)
    else:
        archive = _archive(project, name, dataset)
        folder = _packed(project, name, archive, Path(source))
    changed = dict(_changed(dataset, folder))
    if not changed:
        output.print(f"{name}: its files are those of {project.params.name}; there is nothing to update")
        return
    rows: dict[str, int] = {part: sum(map(len, read_batches(dataset, folder, part))) for part in dataset.source.parts}
    change = Change.setting(project.params, "datasets", name, {"files": changed, "checks": {"rows": rows}})
    if source is not None:
        (folder / archive.name).replace(archive)
    change.write()
    update = _Update(project, name, dataset, changed, rows)
    update.correct_card()
    update.show()


def _archive(project: Project, name: str, dataset: DatasetConfig) -> Path:
    """Return the archive of a dataset whose folders `penstock new dataset` packed."""
    path = project.root / OWN_FILES / f"{name}.zip"
    if dataset.folder != OWN_FILES.as_posix() or [*dataset.files] != [path.name]:
        raise ConfigError(f"--from: datasets.{name} is not the one archive {project.shown(path)}; leave --from out")
    return path


def _packed(project: Project, name: str, archive: Path, source: Path) -> Path:
    if not source.is_dir():
        raise ConfigError(f"--from {source}: no such folder")
    folder = working_folder(project, name)
    pack(source, folder / archive.name)
    return folder


def _present_files(project: Project, name: str, dataset: DatasetConfig) -> Path:
    """Return the folder of the present files, which come from the first URL where there is no folder."""
    if dataset.folder is None:
        folder = working_folder(project, name)
        for file in dataset.files:
            fetch(f"{dataset.urls[0].rstrip('/')}/{file}", folder / file)
        return folder
    folder = project.root / dataset.folder
    for file in dataset.files:
        if not (folder / file).is_file():
            raise ConfigError(f"{project.shown(folder / file)}: no such file")
    return folder


def _changed(dataset: DatasetConfig, folder: Path) -> Iterator[tuple[str, Entry]]:
    """Yield name and entry of each file that differs from its entry in params.yaml."""
    for name, declared in dataset.files.items():
        path = folder / name
        if is_changed(path, declared):
            yield name, {"bytes": path.stat().st_size, "sha256": sha256(path)}
