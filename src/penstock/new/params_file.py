"""Add entries to params.yaml as text: all other lines, with their comments, stay as they are."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from penstock.config.edits import with_entry
from penstock.config.loading import load_config
from penstock.config.params import Config
from penstock.core.errors import ConfigError
from penstock.io.files import write_text

Entries = Mapping[str, Mapping[str, Any]]
"""Entries by block and name: {"datasets": {"wine": {...}}}."""


def with_entries(text: str, entries: Entries) -> str:
    """Return the text of params.yaml with further entries at the end of their blocks."""
    for block, named in entries.items():
        for name, entry in named.items():
            text = with_entry(text, block, _yaml({name: entry}))
    return text


def add_entries(path: Path, entries: Entries) -> None:
    """Write entries into params.yaml, unless it then had a mistake.

    Raises:
        ConfigError: It would have one, or the file has been changed meanwhile.
    """
    before = path.read_text(encoding="utf-8")
    after = with_entries(before, entries)
    checked(path, after)
    if path.read_text(encoding="utf-8") != before:
        raise ConfigError(f"{path.name}: was changed meanwhile; run the command again")
    write_text(path, after)


def checked(path: Path, text: str) -> Config:
    """Return the settings of a text that params.yaml shall have.

    Raises:
        ConfigError: It has mistakes.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
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
