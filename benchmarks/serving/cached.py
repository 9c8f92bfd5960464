"""Save benchmarks/serving.json: rows as in results.json, and the underlying measurements."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.results import Row
from penstock.io.files import read_json, write_json

FILE = Path(__file__).parent.with_suffix(".json")


@dataclass(frozen=True)
class Figure:
    """Medians of the valid turns of a server."""

    server: str
    model: str
    concurrency: int
    requests_per_second: int
    p50_ms: float
    p99_ms: float
    void: int
    """Number of turns with a failed request; they are left out of the medians."""

    @property
    def key(self) -> tuple[object, ...]:
        return self.server, self.model, self.concurrency


@dataclass(frozen=True)
class Process:
    """Startup time, memory or number of failed requests of a server."""

    server: str
    metric: str
    value: float
    iqr_half: float
    """Half of the interquartile range of `value`."""

    @property
    def key(self) -> tuple[object, ...]:
        return self.server, self.metric


Found = Row | Figure | Process


def keep(found: Found) -> None:
    """Save an entry; it replaces that of the same measurement."""
    if isinstance(found, Row):
        return results.keep([found], FILE)
    kind = "figures" if isinstance(found, Figure) else "processes"
    known: dict[str, Any] = read_json(FILE) if FILE.is_file() else {}
    others = [entry for entry in known.get(kind, []) if type(found)(**entry).key != found.key]
    write_json(FILE, known | {kind: [*others, asdict(found)]})
    return None


def show(found: list[Found]) -> None:
    for kind in (Figure, Process):
        entries = [asdict(entry) for entry in found if isinstance(entry, kind)]
        if entries:
            table = Table(*entries[0], box=None)
            for entry in entries:
                table.add_row(*(f"{value:g}" if isinstance(value, float) else str(value) for value in entry.values()))
            Console().print(table)
    rows = [row for row in found if isinstance(row, Row)]
    if rows:
        results.show(rows)
