"""Read a model's files at a git revision from git and DVC's cache, without touching the workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.fs import GitFileSystem
from dvc.repo import Repo
from dvc.scm import NoSCM, RevError, SCMError, resolve_rev
from ruamel.yaml import YAML

from penstock.core.errors import ComparisonError
from penstock.core.model_files import ONNX
from penstock.core.paths import ModelFiles, Project

SHORT = 7  # digits of a commit, as git shows it


class Revision:
    """A commit of the project, opened as DVC opens it.

    Args:
        text: How the user named it: anything that git or DVC resolves, such as an experiment's name.
        repo: DVC's repository at the commit.
        commit: The full hash.
    """

    def __init__(self, text: str, repo: Repo, commit: str) -> None:
        self.text = text
        self._repo = repo
        self.commit = commit

    @property
    def shown(self) -> str:
        return self.commit[:SHORT]

    def project_of(self, name: str, is_int8: bool, folder: Path) -> tuple[Project, ModelFiles]:
        """Write the files of a model to a folder, laid out as in the project.

        Args:
            name: The model.
            is_int8: Whether its int8 file is wanted.
            folder: An empty folder.

        Raises:
            ComparisonError: The revision has no such model, or its file is neither in DVC's cache nor in a remote.
        """
        copy = Project(folder)
        home = self._home(name)
        files = ModelFiles(copy.root / home, name)
        wanted = files.int8 if is_int8 else files.onnx
        if not self._copy(wanted, copy):
            raise ComparisonError(
                f"{name}@{self.text}: {copy.shown(wanted)} of {self.shown} is neither in DVC's cache nor in a remote; "
                "run `dvc push` where it was made"
            )
        for path in (copy.params, files.training_report, files.validation_report):
            self._copy(path, copy)
        return copy, files

    def _home(self, name: str) -> str:
        """Return the folder of the pipeline that has a model: the project, or tuned."""
        found = [home for home, models in self.models.items() if name in models]
        if not found:
            raise ComparisonError(f"{name}@{self.text}: no model {name} in dvc.lock of {self.shown}")
        return found[0]

    @cached_property
    def models(self) -> dict[str, dict[str, str]]:
        """md5 of the exported file by the pipeline's folder and the model's name, as dvc.lock has it."""
        return {home: _exported(self._read(f"{home}/dvc.lock".removeprefix("./"))) for home in (".", "tuned")}

    def _read(self, name: str) -> Any:  # noqa: ANN401  (content of a YAML file)
        if not self._repo.dvcfs.exists(name):
            return {}
        return YAML(typ="safe").load(self._repo.dvcfs.read_text(name, encoding="utf-8")) or {}

    def _copy(self, path: Path, copy: Project) -> bool:
        """Copy one file of the revision, from git or DVC; return whether it could be read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._repo.dvcfs.get_file(copy.shown(path), str(path))
        except (OSError, DvcException):
            path.unlink(missing_ok=True)
            return False
        return True


def _exported(lock: Any) -> dict[str, str]:  # noqa: ANN401  (content of a YAML file)
    stages = lock.get("stages", {})
    outs = {
        name.partition("@")[2]: stage.get("outs", []) for name, stage in stages.items() if name.startswith("export@")
    }
    return {name: out["md5"] for name, found in outs.items() for out in found if out["path"] == f"models/{name}/{ONNX}"}


class Revisions:
    """The commits of a project's repository.

    Args:
        repo: DVC's repository of the workspace.
        root: Folder of the project.
    """

    def __init__(self, repo: Repo, root: Path) -> None:
        self._repo = repo
        self._root = root
        self._opened: dict[str, Repo] = {}

    def find(self, text: str) -> Revision | None:
        """Return a commit by its branch, tag, hash or DVC experiment; None if there is none.

        Raises:
            ComparisonError: Several commits have this name.
        """
        if isinstance(self._repo.scm, NoSCM):
            return None
        try:
            commit = resolve_rev(self._repo.scm, text)
        except RevError as error:
            if "ambiguous" in str(error):
                raise ComparisonError(f"{text}: several git revisions or DVC experiments have this name") from None
            return None
        if commit not in self._opened:
            self._opened[commit] = self._open(commit)
        return Revision(text, self._opened[commit], commit)

    def _open(self, commit: str) -> Repo:
        """Open a commit as DVC does for `dvc exp show`; the project may be in a folder of the git repository."""
        scm = self._repo.scm
        inside = PurePosixPath("/", self._root.resolve().relative_to(Path(scm.root_dir).resolve()).as_posix())
        return Repo(str(inside), fs=GitFileSystem(scm=scm, rev=commit), scm=scm)

    def close(self) -> None:
        """Close the opened commits."""
        for repo in self._opened.values():
            repo.close()


@contextmanager
def open_revisions(project: Project) -> Iterator[Revisions | None]:
    """Open the repository of a project; None if the project has no DVC, or DVC expects git and finds none."""
    try:
        repo = Repo(str(project.root))
    except (NotDvcRepoError, SCMError):
        yield None
        return
    revisions = Revisions(repo, project.root)
    try:
        yield revisions
    finally:
        revisions.close()
        repo.close()
