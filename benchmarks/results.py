"""benchmarks/results.json, and the table that people see."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from penstock.io.files import read_json, write_json

FILE = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Row:
    """`ratio` is how many times as good as `against` it is, or what `what` says it is; `reach` is what it should be at
    least, or, where `at_most`, at most."""

    what: str
    against: str
    ratio: float
    spread: float
    reach: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.ratio <= self.reach if self.at_most else self.ratio >= self.reach


def keep(rows: list[Row], file: Path | None = None) -> None:
    """Puts rows in the place of those that were measured of the same before; the others, and all else, stay."""
    file = file or FILE
    known = read_json(file) if file.is_file() else {}
    measured = {(row.what, row.against): asdict(row) | {"met": row.met} for row in rows}
    kept = {(row["what"], row["against"]): row for row in known.get("rows", [])} | measured
    write_json(file, known | {"rows": list(kept.values())})


def show(rows: list[Row]) -> None:
    table = Table("what", "against", "ratio", "spread", "reach", "met", box=None)
    for row in rows:
        wanted = f"{'at most' if row.at_most else 'at least'} {row.reach:g}"
        met = "yes" if row.met else "no"
        table.add_row(row.what, row.against, f"{row.ratio:.3f}", f"± {row.spread:.3f}", wanted, met)
    Console().print(table)
