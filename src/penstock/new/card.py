"""Write the data card of a new dataset: what was seen, and what a person must add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
    lines += [file_line(file, one["bytes"], one["sha256"]) for file, one in dataset["files"].items()]
    lines += ["", rows_line(rows), ""]
    lines += ["| column | kind | values | missing |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {_cell(one.name)} | {one.kind} | {_cell(one.seen)} | {100 * one.missing_share:.1f} % |"
        for one in profiles.values()
    ]
    lines += ["", "Assumed by `penstock new dataset`:", ""]
    lines += [f"- {note}" for note in notes]
    return "\n".join(lines) + "\n"


def file_line(name: str, size: int, sha256: str) -> str:
    """Return the line of a file, whose size is in bytes."""
    return f"| {name} | {size:,} | `{sha256[:16]}` |"


def rows_line(rows: Mapping[str, int]) -> str:
    """Return the line of the rows of each part."""
    return f"Rows: {', '.join(f'{count:,} {part}' for part, count in rows.items())}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
