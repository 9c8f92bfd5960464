"""Find what a lineage is asked of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from penstock.comparison.candidate import Candidate
from penstock.config.loading import load_config
from penstock.config.params import Config
from penstock.core.errors import ComparisonError, ConfigError, PenstockError
from penstock.core.model_files import ORIGIN
from penstock.core.paths import ModelFiles, Project
from penstock.io.files import read_json, sha256
from penstock.io.provenance import Provenance
from penstock.lineage.server import ServedFile, ask
from penstock.lookup.locate import Locator, open_locator
from penstock.registry.local_models import INT8_SUFFIX, local_models
from penstock.registry.stored_models import ModelStore, StoredRun

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Subject:
    """A model file."""

    reference: str
    """How the user named it."""
    path: Path | None
    """The ONNX file; None if only a server has it."""
    shown: str
    """Where the file comes from."""
    sha256: str
    """Of the file; only the first digits are known of some servers."""
    metadata: Mapping[str, str]
    """Of the ONNX file."""
    served: ServedFile | None = None
    run_id: str = ""
    commit: str = ""
    """The commit that the user named."""
    named_here: bool = False
    """Whether the user named a file of the project."""
    version: str = ""
    """The version of a registered model that the user named."""
    model: str = ""
    """The model that the file must be one of, by its folder or by the name that the user gave."""

    @property
    def provenance(self) -> Provenance | None:
        """What the file says of its training; None for a file that Penstock did not export."""
        keys = [one.name for one in fields(Provenance)]
        if not all(key in self.metadata for key in keys):
            return None
        return Provenance(**{key: self.metadata[key] for key in keys})

    @property
    def dataset(self) -> str:
        return self.metadata.get("dataset", "")

    @property
    def is_int8(self) -> bool:
        return self.metadata.get("precision") == "int8"

    @property
    def registered_name(self) -> str:
        """Name in MLflow's registry."""
        return f"{self.metadata.get('model', '')}{INT8_SUFFIX if self.is_int8 else ''}"


@dataclass(frozen=True)
class Found:
    """A subject and what can be asked about it."""

    subject: Subject
    project: Project | None = None
    store: ModelStore | None = None
    folder: Path = field(default_factory=Path)
    """An empty folder, which lasts as long as the lookup."""


@contextmanager
def open_subject(text: str, token: str | None) -> Iterator[Found]:
    """Find the file that a text names; downloaded files last as long as the block.

    Args:
        text: As of `penstock.lookup.locate`, or a sha256, or the address of a running server.
        token: For a server that wants one.

    Raises:
        ComparisonError: The text names nothing, or it is not clear what it means.
        PenstockError: A server cannot be asked.
    """
    served = ask(text, token) if text.startswith(("http://", "https://")) else None
    project = _project()
    if project is None:
        yield Found(_outside(text, served))
        return
    config = load_config(project.params)
    with open_locator(project, config) as locator:
        subject = _of_server(served, locator, project, config) if served else _located(text, locator, project, config)
        yield Found(subject, project, locator.store, locator.new_folder())


def _project() -> Project | None:
    try:
        return Project.find()
    except ConfigError:
        return None


def _outside(text: str, served: ServedFile | None) -> Subject:
    """Return the subject outside any project: a file, or what a server says."""
    if served:
        return _without_file(served)
    path = Path(text)
    if not path.is_file():
        raise ComparisonError(f"{text}: no such file; outside a Penstock project, name an ONNX file or a server")
    return _of_file(text, Candidate(text, path, text))


def _of_file(reference: str, candidate: Candidate) -> Subject:
    return Subject(reference, candidate.path, candidate.source, candidate.sha256, candidate.metadata)


def _without_file(served: ServedFile) -> Subject:
    return Subject(served.address, None, f"served at {served.address}", served.sha256, served.metadata, served=served)


def _located(text: str, locator: Locator, project: Project, config: Config) -> Subject:
    if SHA256.fullmatch(text):
        return _of_sha256(text, text, locator, project, config)
    (found,) = locator.find([text])
    subject = _of_file(text, found.candidate)
    run_id = found.run.run_id if found.run else ""
    version = found.candidate.path.parent.name if text.startswith("models:/") else ""
    named_here = not (found.commit or run_id or version) and _is_of_project(found.candidate.path, project)
    # Downloaded versions are in NAME/VERSION/, other files in MODEL/.
    folder = found.candidate.path.parent.parent if version else found.candidate.path.parent
    model = folder.name.removesuffix(INT8_SUFFIX) if named_here or version or found.commit else ""
    return replace(subject, run_id=run_id, commit=found.commit, version=version, named_here=named_here, model=model)


def _is_of_project(path: Path, project: Project) -> bool:
    return any(folder.resolve() in path.resolve().parents for folder in project.served)


def _of_sha256(reference: str, digest: str, locator: Locator, project: Project, config: Config) -> Subject:
    """Return the file of a sha256: here, in MLflow's registry, or validated by a run."""
    for local in local_models(project, config, config.every_model):
        if local.sha256 == digest:
            return _of_file(reference, Candidate(reference, local.path, project.shown(local.path)))
    store = locator.store
    versions = store.versions_of_file(digest) if store else []
    runs = store.runs_of_file(digest) if store else []
    problem: PenstockError = ComparisonError(
        f"{reference}: no file here, registered version or run of MLflow has this sha256"
    )
    for text in [*(one.uri for one in versions), *(run.run_id for run in runs)]:
        try:
            return replace(_located(text, locator, project, config), reference=reference)
        except PenstockError as error:  # its file was deleted or changed; another one may have it
            problem = error
    raise problem


def _of_server(served: ServedFile, locator: Locator, project: Project, config: Config) -> Subject:
    """Return the file that a server has, if it can be found by its sha256."""
    try:
        subject = _of_sha256(served.address, served.sha256, locator, project, config)
    except ComparisonError:
        return _without_file(served)
    return replace(subject, served=served)


def run_of(subject: Subject, store: ModelStore | None) -> StoredRun | None:
    """Return the run of the file's training, if MLflow has it."""
    if store is None:
        return None
    run_id = subject.run_id or _origin(subject)
    if run_id:
        return store.run(run_id)
    provenance = subject.provenance
    return store.run_of_key(subject.dataset, provenance.key) if provenance and subject.dataset else None


def _origin(subject: Subject) -> str:
    """Return the run that the folder of a downloaded version names."""
    path = subject.path.with_name(ORIGIN) if subject.path else None
    return str(read_json(path).get("run_id") or "") if path and path.is_file() else ""


def same_file_here(subject: Subject, files: ModelFiles) -> bool:
    """Return whether the project's own file has the bytes of the subject."""
    path = files.int8 if subject.is_int8 else files.onnx
    return path.is_file() and sha256(path) == subject.sha256
