"""Write the data card of a dataset of one's own: what was seen, and what a person must add."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.config.data import DatasetConfig
from penstock.io.files import write_text
from penstock.new.profile import ColumnProfile


def data_card(
    name: str,
    dataset: Mapping[str, Any],
    profiles: Mapping[str, ColumnProfile],
    rows: Mapping[str, int],
    notes: Sequence[str],
) -> str:
    """Return the card in Markdown.

    Args:
        name: Name of the dataset.
        dataset: Its entry in params.yaml.
        profiles: Its columns.
        rows: Rows of each part.
        notes: What was assumed.
    """
    lines = [
        f"# {name}",
        "",
        "Source: *to be filled in*. Licence: *to be filled in*. Collected: *to be filled in*.",
        "",
    ]
    lines += ["| file | bytes | sha256 |", "| --- | --- | --- |"]
    lines += [_file_line(file, one["bytes"], one["sha256"]) for file, one in dataset["files"].items()]
    lines += ["", _rows_line(rows), ""]
    lines += ["| column | kind | values | missing |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {_cell(one.name)} | {one.kind} | {_cell(one.seen)} | {100 * one.missing_share:.1f} % |"
        for one in profiles.values()
    ]
    lines += ["", "Assumed by `penstock new dataset`:", ""]
    lines += [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"


def correct_card(
    path: Path, old: DatasetConfig, changed: Mapping[str, Mapping[str, int | str]], rows: Mapping[str, int]
) -> bool:
    """Write sizes, hashes and numbers of rows into a data card; return whether there is one.

    Args:
        path: The card.
        old: The dataset before the change.
        changed: New entries of `files` by name: `bytes` and `sha256`.
        rows: Rows of each part.
    """
    if not path.is_file():
        return False
    text = re.sub(r"^Rows: .*$", lambda _: _rows_line(rows), path.read_text(encoding="utf-8"), count=1, flags=re.M)
    for name, entry in changed.items():
        before = old.files[name]
        line = _file_line(name, int(entry["bytes"]), str(entry["sha256"]))
        text = text.replace(_file_line(name, before.bytes, before.sha256), line)
    write_text(path, text)
    return True


def _file_line(name: str, size: int, sha256: str) -> str:
    return f"| {name} | {size:,} | `{sha256[:16]}` |"


def _rows_line(rows: Mapping[str, int]) -> str:
    return f"Rows: {', '.join(f'{count:,} {part}' for part, count in rows.items())}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
