"""Compute the chain of a model file again, from its source files to the servers that have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from penstock.core.errors import PenstockError
from penstock.core.paths import ModelFiles, Project
from penstock.io.provenance import Provenance
from penstock.lineage.place import Place, copy_commit, head
from penstock.lineage.subject import Found, Subject, run_of, same_file_here
from penstock.registry.stored_models import ModelStore, StoredRun
from penstock.tracking.tags import COMMIT

CHANGES = "+changes"  # of a run: files differed from the commit


@dataclass(frozen=True)
class Trace:
    """A model file, and all that its links are compared with."""

    subject: Subject
    provenance: Provenance
    """What the file says of its training."""
    project: Project
    store: ModelStore | None
    folder: Path
    """An empty folder for downloads."""
    run: StoredRun | None = None
    """The run of its training."""
    problems: dict[str, str] = field(default_factory=dict)
    """Why a link cannot be looked up, by `run` and `commit`."""

    @cached_property
    def here(self) -> Place:
        """The project."""
        return Place(self.project, "here", self.provenance.model, self.provenance.parameters)

    @property
    def files(self) -> ModelFiles | None:
        """The files of the model in the project."""
        return self.here.files

    @cached_property
    def is_here(self) -> bool:
        """Whether the project's own files are links of the chain."""
        named = self.subject.named_here
        return named or (
            not self.subject.commit and self.files is not None and same_file_here(self.subject, self.files)
        )

    @cached_property
    def commit(self) -> str:
        """The commit that the user or the run names, or else the one that is checked out, if the file is here."""
        recorded = self.run.tags.get(COMMIT, "") if self.run else ""
        named = self.subject.commit or recorded.removesuffix(CHANGES).replace("none", "")
        return named or (head(self.project) if self.is_here and not recorded else "")

    @property
    def has_uncommitted_changes(self) -> bool:
        """Whether the run says that files differed from its commit."""
        return not self.subject.commit and bool(self.run and self.run.tags.get(COMMIT, "").endswith(CHANGES))

    @cached_property
    def at_commit(self) -> Place | None:
        """A copy of the commit; None if there is none."""
        if not self.commit:
            return None
        folder = self.folder / "commit"
        folder.mkdir()
        try:
            copy = copy_commit(self.project, self.commit, folder)
        except PenstockError as error:
            self.problems["commit"] = str(error)
            return None
        return Place(copy, f"at commit {self.commit[:7]}", self.provenance.model, self.provenance.parameters)

    @cached_property
    def places(self) -> Sequence[Place]:
        """The places that may have the settings and the code, the best first."""
        if self.subject.named_here:
            return [self.here]
        found = [self.here] if self.is_here else []
        return [*found, *([self.at_commit] if self.at_commit else [])]

    @cached_property
    def place(self) -> Place | None:
        """The first place with the parameters and the code of the file, else with its parameters, else the first."""
        return max(self.places, key=self._fits, default=None)

    def _fits(self, place: Place) -> tuple[bool, bool]:
        """Return whether a place has the parameters, and the code, of the file."""
        hashes, made = place.hashes, self.provenance
        return hashes.get("parameters") == made.parameters, hashes.get("code") == made.code

    @property
    def locked(self) -> Place | None:
        """The place whose dvc.lock names the file: the project, or a revision that the user named."""
        return self.here if self.is_here else self.at_commit if self.subject.commit else None

    @property
    def other_files(self) -> str:
        """Why files of the project are no links of the chain."""
        return "the project has another file of this model, or none"


def open_trace(found: Found) -> Trace | None:
    """Return the trace of a subject; None outside a project, and for a file that Penstock did not export."""
    provenance = found.subject.provenance
    if found.project is None or provenance is None:
        return None
    run, problems = None, {}
    try:
        run = run_of(found.subject, found.store)
    except PenstockError as error:
        problems["run"] = str(error)
    return Trace(found.subject, provenance, found.project, found.store, found.folder, run, problems)
