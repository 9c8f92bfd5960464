"""Add entries to params.yaml as text: all other lines, with their comments, stay as they are."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from penstock.config.edits import with_entry
from penstock.config.loading import load_config
from penstock.config.own_code import write_own_code
from penstock.config.params import Config
from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.io.files import write_text

Entries = Mapping[str, Mapping[str, Any]]
"""Entries by block and name: {"datasets": {"wine": {...}}}."""


@dataclass(frozen=True)
class Addition:
    """Entries that are to be written at the end of their blocks."""

    path: Path
    before: str
    """Text of params.yaml when the command began."""
    after: str
    config: Config
    """Settings with the entries."""

    @classmethod
    def of(cls, path: Path, entries: Entries) -> Addition:
        """Prepare the text with the entries.

        Raises:
            ConfigError: It would have a mistake.
        """
        before = after = path.read_text(encoding="utf-8")
        for block, named in entries.items():
            for name, entry in named.items():
                after = with_entry(after, block, _yaml({name: entry}))
        return cls(path, before, after, _loaded(path.name, after))

    def write(self) -> None:
        """Write params.yaml, and pipelines/code.yaml for it.

        Raises:
            ConfigError: The file has been changed meanwhile.
        """
        if self.path.read_text(encoding="utf-8") != self.before:
            raise ConfigError(f"{self.path.name}: was changed meanwhile; run the command again")
        write_text(self.path, self.after)
        write_own_code(Project(self.path.parent), self.config)


def _loaded(name: str, text: str) -> Config:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / name
        copy.write_text(text, encoding="utf-8")
        return load_config(copy)


def _yaml(entry: Mapping[str, Any]) -> str:
    """Return an entry as DVC writes it: blocks, and lists that begin in the column of their key."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 80
    written = StringIO()
    yaml.dump(_plain(entry), written)
    return written.getvalue()


def _plain(value: Any) -> Any:  # noqa: ANN401  (whatever YAML holds)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
