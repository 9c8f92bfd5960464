"""Add entries to params.yaml, or change their settings; all other lines stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from penstock.config.edits import edited, with_entry
from penstock.orchestration.params_file import Change

Entries = Mapping[str, Mapping[str, Any]]
"""Entries by block and name: {"datasets": {"wine": {...}}}."""


def with_entries(path: Path, entries: Entries) -> Change:
    """Prepare params.yaml with more entries at the end of their blocks.

    Raises:
        ConfigError: It would have a mistake.
    """
    before = after = path.read_text(encoding="utf-8")
    for block, named in entries.items():
        for name, entry in named.items():
            after = with_entry(after, block, _yaml({name: entry}))
    return Change.checked(path, before, after)


def with_settings(path: Path, block: str, name: str, settings: Mapping[str, Any]) -> Change:
    """Prepare params.yaml with other settings in an entry.

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
    return Change.checked(path, before, edited(before, [block, name], entry, _merged(entry, settings)))


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {**old} | {
        key: _merged(old[key], value) if isinstance(value, Mapping) and isinstance(old.get(key), Mapping) else value
        for key, value in new.items()
    }


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
