"""Find the model files that texts name.

In this order, a text is

1. the path of an ONNX file, ending in .onnx;
2. a model of params.yaml, or with the suffix `.int8` its int8 file;
3. NAME@REVISION: a model at a branch, tag, commit or DVC experiment;
4. a registered model, models:/NAME@ALIAS or models:/NAME/VERSION;
5. the ID of an MLflow run;
6. a git revision or DVC experiment alone, if it is clear which model is meant: the one that the other texts name, the
   only one of the project, or the only one whose file differs between the revisions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from penstock.comparison.candidate import Candidate, Record
from penstock.config.params import Config
from penstock.core.errors import ComparisonError
from penstock.core.paths import ModelFiles, Project
from penstock.io.files import sha256
from penstock.lookup.records import record_of
from penstock.lookup.revisions import Revision, Revisions, open_revisions
from penstock.registry.local_models import INT8_SUFFIX
from penstock.registry.stored_models import ModelStore, StoredRun
from penstock.tracking.uri import SQLITE, tracking_uri

RUN_ID = re.compile(r"[0-9a-f]{32}")
REGISTERED = "models:/"


@contextmanager
def open_locator(project: Project, config: Config) -> Iterator[Locator]:
    """Open the repository and MLflow of a project; the files that are found last as long as the block."""
    uri = tracking_uri(project, config)
    has_store = not uri.startswith(SQLITE) or Path(uri.removeprefix(SQLITE)).is_file()
    with open_revisions(project) as revisions, TemporaryDirectory(prefix="penstock-") as folder:
        yield Locator(project, config, revisions, ModelStore(uri) if has_store else None, Path(folder))


class Found(NamedTuple):
    """A file that was found."""

    candidate: Candidate
    project: Project
    """The project, or a copy of its files at a revision."""
    files: ModelFiles | None = None
    run: StoredRun | None = None
    """The run that the text names, or that of the version that it names."""
    commit: str = ""
    """The commit of the revision that the text names."""


class Locator:
    """Find model files for a project.

    Args:
        project: The project.
        config: Its settings.
        revisions: The commits of its repository; None without DVC.
        store: Its MLflow; None if there is none yet.
        folder: An empty folder for files that are not in the workspace.
    """

    def __init__(
        self, project: Project, config: Config, revisions: Revisions | None, store: ModelStore | None, folder: Path
    ) -> None:
        self._project = project
        self._config = config
        self._revisions = revisions
        self.store = store
        self._folder = folder
        self._copies = 0

    def locate(self, texts: Sequence[str]) -> list[tuple[Candidate, Record]]:
        """Return the file of each text, and the record of its training.

        Raises:
            ComparisonError: A text names nothing, or it is not clear what it means.
        """
        return [self._with_record(one) for one in self.find(texts)]

    def find(self, texts: Sequence[str]) -> list[Found]:
        """Return the file of each text, and how it was found.

        Raises:
            ComparisonError: A text names nothing, or it is not clear what it means.
        """
        found = {text: self._directly(text) for text in texts}
        revisions = {text: self._revision(text) for text, one in found.items() if one is None}
        if revisions:
            name = self._meant([one for one in found.values() if one], revisions)
            found |= {text: self._at_revision(text, name, revision) for text, revision in revisions.items()}
        return [one for text in texts if (one := found[text])]

    def _directly(self, text: str) -> Found | None:
        """Return the file of a text that names a model; None for one that may be a revision."""
        ways: tuple[Callable[[str], Found | None], ...] = (
            self._file,
            self._model,
            self._model_at_revision,
            self._registered,
            self._run,
        )
        return next((found for way in ways if (found := way(text))), None)

    def _file(self, text: str) -> Found | None:
        if not text.endswith(".onnx"):
            return None
        path = Path(text)
        if not path.is_file():
            raise ComparisonError(f"{text}: no such file")
        candidate = Candidate(text, path, text)
        return Found(candidate, self._project, self._files_of(candidate))

    def _files_of(self, candidate: Candidate) -> ModelFiles | None:
        """Return the files of the model that a file names, if the project has it."""
        name = candidate.metadata.get("model")
        if name not in self._config.every_model:
            return None
        return self._project.model(name, self._config.block_of_model(name))

    def _model(self, text: str) -> Found | None:
        name = text.removesuffix(INT8_SUFFIX)
        if name not in self._config.every_model:
            return None
        files = self._project.model(name, self._config.block_of_model(name))
        path = files.int8 if text.endswith(INT8_SUFFIX) else files.onnx
        shown = self._project.shown(path)
        if not path.is_file():
            raise ComparisonError(f"{text}: {shown} is not here; `dvc pull {shown}` or `dvc repro` brings it")
        return Found(Candidate(text, path, shown), self._project, files)

    def _model_at_revision(self, text: str) -> Found | None:
        name, separator, rest = text.partition("@")
        if not (separator and rest) or text.startswith(REGISTERED) or rest.startswith("{"):
            return None
        revision = self._revisions.find(rest) if self._revisions else None
        if revision is None and self._revisions and self._revisions.find(text):  # a branch may have an @ in its name
            return None
        if revision is None:
            raise ComparisonError(f"{text}: git and DVC have no revision or experiment {rest}")
        return self._at_revision(text, name, revision)

    def _at_revision(self, text: str, name: str, revision: Revision) -> Found:
        model, is_int8 = name.removesuffix(INT8_SUFFIX), name.endswith(INT8_SUFFIX)
        copy, files = revision.project_of(model, is_int8, self.new_folder())
        path = files.int8 if is_int8 else files.onnx
        candidate = Candidate(text, path, f"{copy.shown(path)} at {revision.shown}")
        return Found(candidate, copy, files, commit=revision.commit)

    def _registered(self, text: str) -> Found | None:
        if not text.startswith(REGISTERED):
            return None
        path, run_id = self._mlflow(text).download_version(text, self.new_folder())
        version = path.parent.name
        candidate = Candidate(text, path, f"version {version} in MLflow's registry")
        run = self._mlflow(text).run(run_id) if run_id else None
        return Found(candidate, self._project, self._files_of(candidate), run)

    def _run(self, text: str) -> Found | None:
        if not RUN_ID.fullmatch(text) or self.store is None:
            return None
        run = self.store.run(text)
        if run is None:
            return None
        path, source = self._file_of_run(run)
        candidate = Candidate(text, path, source)
        return Found(candidate, self._project, self._files_of(candidate), run)

    def _file_of_run(self, run: StoredRun) -> tuple[Path, str]:
        """Return the file that a run validated, from the project, from its DVC experiment, or from MLflow."""
        found = self._in_project(run) or self._in_experiment(run)
        if found:
            return found
        path = self._mlflow(run.run_id).download_run(run, self.new_folder())
        if path is None:
            hint = f"; name it as {run.model}@REVISION" if run.model else ""
            raise ComparisonError(f"{run.run_id}: MLflow does not have the ONNX file of this run{hint}")
        return path, "logged model in MLflow"

    def _in_project(self, run: StoredRun) -> tuple[Path, str] | None:
        if run.model not in self._config.every_model:
            return None
        path = self._project.model(run.model, self._config.block_of_model(run.model)).onnx
        is_same = path.is_file() and sha256(path) == run.onnx_sha256
        return (path, self._project.shown(path)) if is_same else None

    def _in_experiment(self, run: StoredRun) -> tuple[Path, str] | None:
        """Return the file in the DVC experiment of a run; None if a later experiment took its name, or it is gone."""
        revision = self._revisions.find(run.experiment) if self._revisions and run.experiment else None
        if revision is None:
            return None
        try:
            found = self._at_revision(run.run_id, run.model, revision).candidate
        except ComparisonError:
            return None
        return (found.path, found.source) if found.sha256 == run.onnx_sha256 else None

    def _revision(self, text: str) -> Revision:
        revision = self._revisions.find(text) if self._revisions else None
        if revision is None:
            close = get_close_matches(text, self._config.every_model, n=1, cutoff=0.5)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise ComparisonError(f"{text}: no model, ONNX file, MLflow run, git revision or DVC experiment{hint}")
        return revision

    def _meant(self, found: Sequence[Found], revisions: dict[str, Revision]) -> str:
        """Return the model that revisions mean."""
        named = {self._name(one.candidate) for one in found} or set(self._config.every_model)
        text = next(iter(revisions))
        if not found and len(named) > 1:
            differing = _changed(list(revisions.values()))
            if not differing:
                raise ComparisonError(f"{text}: which model? Write NAME@{text}; the revisions have the same models")
            named = differing
        if len(named) > 1:
            raise ComparisonError(f"{text}: which model? Write NAME@{text}; it can be {', '.join(sorted(named))}")
        return named.pop()

    def _name(self, candidate: Candidate) -> str:
        suffix = INT8_SUFFIX if candidate.is_int8 else ""
        return f"{candidate.provenance.model}{suffix}"

    def _mlflow(self, text: str) -> ModelStore:
        if self.store is None:
            raise ComparisonError(f"{text}: there is no MLflow database yet; set `tracking.uri` or MLFLOW_TRACKING_URI")
        return self.store

    def _with_record(self, found: Found) -> tuple[Candidate, Record]:
        run = found.run
        if run is None and self.store is not None:
            provenance = found.candidate.provenance
            run = self.store.run_of_key(found.candidate.dataset, provenance.key)
        return found.candidate, record_of(found.candidate, found.project, found.files, run)

    def new_folder(self) -> Path:
        """Create an empty folder, which lasts as long as the locator."""
        self._copies += 1
        folder = self._folder / str(self._copies)
        folder.mkdir(parents=True)
        return folder


def _changed(revisions: Sequence[Revision]) -> set[str]:
    """Return the models whose exported files differ between revisions."""
    files = [{name: md5 for models in one.models.values() for name, md5 in models.items()} for one in revisions]
    common = set.intersection(*(set(one) for one in files))
    return {name for name in common if len({one[name] for one in files}) > 1}
