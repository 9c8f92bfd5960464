"""Change params.yaml as text: all other lines, with their comments, stay as they are."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from penstock.config.edits import edited, with_entry
from penstock.config.loading import load_config
from penstock.config.own_code import write_own_code
from penstock.config.params import Config
from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.io.files import atomic_write

Entries = Mapping[str, Mapping[str, Any]]
"""Entries by block and name: {"datasets": {"wine": {...}}}."""


@dataclass(frozen=True)
class Change:
    """A text that is to be written in place of that of params.yaml."""

    path: Path
    before: str
    """Text of params.yaml when the command began."""
    after: str
    config: Config
    """Settings of the new text."""

    @classmethod
    def adding(cls, path: Path, entries: Entries) -> Change:
        """Prepare the text with more entries at the end of their blocks.

        Raises:
            ConfigError: It would have a mistake.
        """
        before = after = path.read_text(encoding="utf-8")
        for block, named in entries.items():
            for name, entry in named.items():
                after = with_entry(after, block, _yaml({name: entry}))
        return cls(path, before, after, _loaded(path.name, after))

    @classmethod
    def setting(cls, path: Path, block: str, name: str, settings: Mapping[str, Any]) -> Change:
        """Prepare the text with other settings in an entry.

        Args:
            path: params.yaml.
            block: Key of the block.
            name: Name of the entry.
            settings: The settings that differ; of a mapping, its keys that differ.

        Raises:
            ConfigError: It would have a mistake.
        """
        before = path.read_text(encoding="utf-8")
        entry = YAML(typ="safe", pure=True).load(before)[block][name]
        after = edited(before, [block, name], entry, _merged(entry, settings))
        return cls(path, before, after, _loaded(path.name, after))

    def write(self) -> None:
        """Write params.yaml, and pipelines/code.yaml for it.

        Raises:
            ConfigError: The file has been changed meanwhile.
        """
        target = self.path.resolve()  # a link stays a link
        newline = "\r\n" if b"\r\n" in target.read_bytes() else "\n"
        with atomic_write(target) as unfinished:
            unfinished.write_text(self.after, encoding="utf-8", newline=newline)
            shutil.copymode(target, unfinished)
            if target.read_text(encoding="utf-8") != self.before:
                raise ConfigError(f"{self.path.name}: was changed meanwhile; run the command again")
        write_own_code(Project(self.path.parent), self.config)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {**old} | {
        key: _merged(old[key], value) if isinstance(value, Mapping) and isinstance(old.get(key), Mapping) else value
        for key, value in new.items()
    }


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
