"""What a person sees: one line per stage, progress, warnings; plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from penstock.core.distributed import is_rank_zero

# Of several processes that train together the first one talks.
output = Console(highlight=False, soft_wrap=True, quiet=not is_rank_zero())
errors = Console(stderr=True, highlight=False, soft_wrap=True)


# Columns of a stage's name, and of what it is for: mnist_autoencoder_tuned is the longest.
STAGE, NAME = 10, 23


def stage_line(stage: str, name: str, text: str) -> None:
    """For example `download   mnist      4 files, 11.6 MB -> data/raw/mnist`, in columns."""
    output.print(f"[bold cyan]{stage:<{STAGE}}[/] [bold]{name:<{NAME}}[/] ", end="")
    output.print(text, markup=False)


def note(text: str) -> None:
    """A line below a stage's own, indented under its text."""
    output.print(f"{'':<{STAGE + NAME + 2}}{text}", style="dim", markup=False)


def warn(text: str) -> None:
    if not is_rank_zero():
        return
    errors.print("[bold yellow]warning:[/] ", end="")
    errors.print(text, markup=False)


def fail(text: str) -> None:
    """Each line is one mistake."""
    for line in text.splitlines():
        errors.print("[bold red]error:[/] ", end="")
        errors.print(line, markup=False)


def figures(values: Mapping[str, Any]) -> str:
    """Numbers by name for people: `loss 0.0512, accuracy 0.9911`; what is no plain number is left out."""
    plain = {name: value for name, value in values.items() if isinstance(value, float)}
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in plain.items())


def file_size(size: int) -> str:
    """Bytes for people: 4.6 kB."""
    return decimal(size)


def transfer_progress() -> Progress:
    """A bar for bytes; where there is no terminal it prints nothing, and the caller's lines have to do."""
    return _progress(DownloadColumn(), TransferSpeedColumn())


def _progress(*columns: ProgressColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=output,
        transient=True,
        disable=not output.is_terminal,
    )
