"""The rows of results.json and serving.json, and their table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from penstock.io.files import read_json, write_json

FILE = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Row:
    """One comparison and its target."""

    metric: str
    """What was measured."""
    baseline: str
    """What it was compared with."""
    ratio: float
    """How many times as good as the baseline, or the value that `metric` names."""
    iqr_half: float
    """Half of the distance between the quartiles of `ratio`."""
    target: float
    """Lowest ratio, or the highest one if `at_most`."""
    at_most: bool = False

    @property
    def passed(self) -> bool:
        """Whether the target was reached."""
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target


def keep(rows: list[Row], file: Path | None = None) -> None:
    """Write rows to a file of results. They replace rows of the same metric and baseline; everything else stays.

    Args:
        rows: The rows.
        file: None is results.json.
    """
    file = file or FILE
    known = read_json(file) if file.is_file() else {}
    measured = {(row.metric, row.baseline): asdict(row) | {"passed": row.passed} for row in rows}
    kept = {(row["metric"], row["baseline"]): row for row in known.get("rows", [])} | measured
    write_json(file, known | {"rows": list(kept.values())})


def show(rows: list[Row]) -> None:
    """Print rows as a table."""
    table = Table("metric", "baseline", "ratio", "± IQR / 2", "target", "passed", box=None)
    for row in rows:
        target = f"{'at most' if row.at_most else 'at least'} {row.target:g}"
        passed = "yes" if row.passed else "no"
        table.add_row(row.metric, row.baseline, f"{row.ratio:.3f}", f"± {row.iqr_half:.3f}", target, passed)
    Console().print(table)
