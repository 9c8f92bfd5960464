"""Print one line per stage, progress bars and warnings; without a terminal, print plain lines only."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from penstock.core.credentials import without_credentials
from penstock.core.distributed import is_rank_zero


class HarmlessConsole(Console):
    """A console that never ends the process: text that its file does not take is replaced or left out.

    A stage prints its last lines after hours of training.
    """

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401  (rich's own)
        """Print as rich does; after the first failure of the file, print nothing more."""
        if isinstance(self.file, io.TextIOWrapper) and self.file.errors == "strict":
            self.file.reconfigure(errors="replace")  # such as an ASCII terminal at "±"
        try:
            super().print(*objects, **options)
        except OSError:  # the terminal is gone, or the disk of a log is full
            self._stop()

    def on_broken_pipe(self) -> None:
        """Continue without a reader, such as `head`; rich would exit."""
        self._stop()

    def _stop(self) -> None:
        self.quiet = True
        with suppress(OSError):  # a file in memory has no descriptor
            # Python flushes the file once more at exit, and would exit with 120.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


# Only rank zero prints, so that a distributed training prints each line once.
output = HarmlessConsole(highlight=False, soft_wrap=True, quiet=not is_rank_zero())
errors = HarmlessConsole(stderr=True, highlight=False, soft_wrap=True)


UNBOUNDED = 10_000
# Widths of the columns of the stage and of the model; mnist_autoencoder_tuned is the longest name.
STAGE, NAME = 10, 23


def stage_line(stage: str, name: str, text: str) -> None:
    """Print the line of a finished stage, such as `download   mnist      4 files, 11.6 MB -> data/raw/mnist`."""
    output.print(f"[bold cyan]{stage:<{STAGE}}[/] [bold]{name:<{NAME}}[/] ", end="")
    output.print(without_credentials(text), markup=False)


def note(text: str) -> None:
    """Print a line, indented to the text column of the line of a stage."""
    output.print(f"{'':<{STAGE + NAME + 2}}{without_credentials(text)}", style="dim", markup=False)


def print_table(table: Table) -> None:
    """Print a table at full width, even if the terminal is narrower or there is none."""
    # `print(width=...)` is limited to the width of the console.
    whole = output.options.update(max_width=UNBOUNDED)
    output.width = max(output.width, output.measure(table, options=whole).maximum)
    output.print(table)


def warn(text: str) -> None:
    """Print a warning to stderr without credentials, on rank zero only."""
    if not is_rank_zero():
        return
    errors.print("[bold yellow]warning:[/] ", end="")
    errors.print(without_credentials(text), markup=False)


def fail(text: str) -> None:
    """Print each line of `text` as one error to stderr."""
    for line in text.splitlines():
        errors.print("[bold red]error:[/] ", end="")
        errors.print(line, markup=False)


def format_metrics(values: Mapping[str, Any]) -> str:
    """Format metrics, such as `loss 0.0512, accuracy 0.9911`; values other than floats are left out."""
    plain = {name: value for name, value in values.items() if isinstance(value, float)}
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in plain.items())


def file_size(size: int) -> str:
    """Format a number of bytes, such as `4.6 kB`."""
    return decimal(size)


def transfer_progress() -> Progress:
    """Return a progress bar for bytes; it prints nothing if there is no terminal."""
    return _progress(DownloadColumn(), TransferSpeedColumn())


def count_progress() -> Progress:
    """Return a progress bar for items, on stderr; it prints nothing if that is no terminal."""
    return _progress(MofNCompleteColumn(), console=errors)


def _progress(*columns: ProgressColumn, console: Console = output) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
