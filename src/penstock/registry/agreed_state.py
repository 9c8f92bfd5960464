"""Remember when the registry agreed with the files, so that a look at both needs no MLflow while neither changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from penstock.config.params import Config
from penstock.core.errors import MissingFileError
from penstock.core.file_state import FileState
from penstock.core.paths import Project
from penstock.io.files import canonical_hash, read_json, write_json
from penstock.registry.local_models import LocalModel
from penstock.tracking.environment import project_name
from penstock.tracking.uri import SQLITE, tracking_uri


class Note(NamedTuple):
    """A difference that Penstock leaves as it is."""

    name: str
    text: str


class AgreedState:
    """The state in which registry and files agreed last. A server may change at any time, so only a database has one.

    Args:
        project: The project.
        config: Its settings.
        models: Every file of the project.
    """

    def __init__(self, project: Project, config: Config, models: Sequence[LocalModel]) -> None:
        self._path = project.scratch / "registry.json"
        uri = tracking_uri(project, config)
        self._database = Path(uri.removeprefix(SQLITE)).resolve() if uri.startswith(SQLITE) else None
        files = [[one.name, one.sha256, one.provenance.key if one.provenance else ""] for one in models]
        # Without the data of a dataset, its challengers wait for a decision.
        data = [name for name in config.datasets if project.processed(name).is_dir() and project.raw(name).is_dir()]
        rules = config.promotion.model_dump()
        self._files = [str(self._database), project_name(project, config), files, data, rules]

    def now(self) -> str:
        """Return a hash that changes with the database and with the files; empty if there is no database file."""
        if self._database is None or not self._database.is_file():
            return ""
        journal = self._database.with_name(f"{self._database.name}-wal")
        return canonical_hash([self._files, FileState.of(self._database), FileState.of(journal)])

    def agreed(self) -> list[Note] | None:
        """Return what a person must decide, if nothing has changed since `keep`; None if something has."""
        try:
            kept = read_json(self._path)
        except MissingFileError:
            return None
        state = self.now()
        return [Note(*note) for note in kept["notes"]] if state and kept.get("agreed") == state else None

    def keep(self, state: str, notes: Sequence[Note]) -> None:
        """Keep a state, which `now` returned before nothing was left to do in the registry.

        Args:
            state: The state.
            notes: What a person must decide.
        """
        if state:
            write_json(self._path, {"agreed": state, "notes": list(notes)})
