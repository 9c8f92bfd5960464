"""Print a comparison: as tables, as Markdown, or as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table

from penstock.comparison.candidate import Record
from penstock.comparison.compare import ModelComparison, Pair
from penstock.comparison.differences import differing
from penstock.comparison.sections import Section, conclusions, merged_metrics, sections
from penstock.core.console import UNBOUNDED, output, print_table

GAP = 2  # between two columns
LEAST_ROOM = 12
COLORS = {"better": "green", "worse": "red"}


def print_comparison(comparison: ModelComparison, records: Sequence[Record]) -> None:
    """Print the tables, cut to the width of the terminal; elsewhere, nothing is cut."""
    show, width = (output.print, output.width) if output.is_terminal else (print_table, UNBOUNDED)
    for section in sections(comparison, records):
        output.print(f"[bold]{escape(section.title)}[/]")
        if section.rows:
            show(_table(section, width))
        for note in section.notes:
            output.print(note, style="dim", markup=False, soft_wrap=False)
        output.print()
    for line, pair in zip(conclusions(comparison), comparison.pairs, strict=True):
        output.print(line, style=COLORS.get(pair.verdict), markup=False, soft_wrap=False)


def _table(section: Section, width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(section.columns):
        table.add_column(
            column,
            justify="left" if position in section.left else "right",
            no_wrap=True,
            overflow="ellipsis",
            max_width=_room(section, width) if position == section.flexible else None,
        )
    for row in section.rows:
        table.add_row(*(_colored(cell) for cell in row))
    return table


def _room(section: Section, width: int) -> int:
    """Return the width that the other columns leave for the flexible one."""
    lines = [section.columns, *section.rows]
    taken = [
        max(cell_len(line[position]) for line in lines) + GAP
        for position in range(len(section.columns))
        if position != section.flexible
    ]
    return max(LEAST_ROOM, width - sum(taken))


def _colored(cell: str) -> str:
    return f"[{COLORS[cell]}]{cell}[/]" if cell in COLORS else escape(cell)


def markdown(comparison: ModelComparison, records: Sequence[Record]) -> str:
    """Return the conclusions and the tables as GitHub's Markdown."""
    tables = [_markdown(section) for section in sections(comparison, records)]
    return "\n\n".join([*conclusions(comparison), *tables]) + "\n"


def _markdown(section: Section) -> str:
    parts = [f"### {section.title}"]
    if section.rows:
        rule = [":---" if position in section.left else "---:" for position in range(len(section.columns))]
        lines = [section.columns, rule, *section.rows]
        parts.append("\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines))
    return "\n\n".join([*parts, *section.notes])


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def document(comparison: ModelComparison, records: Sequence[Record]) -> dict[str, Any]:
    """Return the whole comparison as JSON values; nothing is cut."""
    metrics = [_finite(one) for one in merged_metrics(comparison, records)]
    models = [
        {
            "reference": one.reference,
            "source": one.source,
            "sha256": one.sha256,
            **asdict(one.provenance),
            "parameters": record.parameters if record.parameters is None else dict(record.parameters),
            "metrics": measured,
        }
        for one, record, measured in zip(comparison.candidates, records, metrics, strict=True)
    ]
    return {
        "dataset": comparison.rows.dataset,
        "rows": len(comparison.rows),
        "task": comparison.task,
        "alpha": comparison.alpha,
        "models": models,
        "differing_parameters": differing([record.parameters or {} for record in records]),
        "differing_metrics": differing(metrics),
        "comparisons": [_pair(comparison, number) for number in range(1, len(models))],
    }


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Replace what JSON does not have, NaN and infinity."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def _pair(comparison: ModelComparison, number: int) -> dict[str, Any]:
    pair: Pair = comparison.pairs[number - 1]
    return {
        "a": comparison.candidates[0].reference,
        "b": comparison.candidates[number].reference,
        "verdict": pair.verdict,
        "scores": [
            {
                "score": one.score,
                "a": one.a,
                "b": one.b,
                **asdict(one.test),
                "p_adjusted": one.p_adjusted,
                "higher_is_better": one.higher_is_better,
                "verdict": one.verdict(comparison.alpha),
            }
            for one in pair.scores
        ],
        "counts": dict(pair.counts),
        "class_score": comparison.parts.score,
        "class_kind": comparison.parts.kind,
        "classes": [asdict(one) for one in pair.classes],
        "disagreements": list(pair.disagreements),
    }
