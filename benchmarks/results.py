"""Save the rows of results.json and serving.json, and print them as a table."""

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
    """The measured quantity."""
    baseline: str
    """The baseline of the comparison."""
    ratio: float
    """Ratio to the baseline, or the value of `metric`."""
    iqr_half: float
    """Half of the interquartile range of `ratio`."""
    target: float
    """Lowest accepted ratio, or the highest one if `at_most`."""
    at_most: bool = False

    @property
    def passed(self) -> bool:
        """Whether the target was reached."""
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target


def keep(rows: list[Row], file: Path | None = None) -> None:
    """Write rows to a file of results. They replace rows with the same metric and baseline; other content stays.

    Args:
        rows: The rows.
        file: The file; None is results.json.
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
