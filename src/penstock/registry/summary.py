"""Print what `penstock register` finds when nothing differs."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core import console
from penstock.registry.agreed_state import Note
from penstock.registry.local_models import LocalModel


def show(notes: Sequence[Note], models: Sequence[LocalModel]) -> None:
    """Print what a person must decide, or that there is nothing."""
    for note in notes:
        console.stage_line("register", note.name, note.text)
    if not notes:
        summarize(models)


def summarize(models: Sequence[LocalModel]) -> None:
    """Print one line about files that agree with the registry."""
    count = sum(1 for one in models if one.provenance)
    if count:
        champions = "champion is the validated file" if count == 1 else f"champions are the {count} validated files"
        console.output.print(f"registry: up to date; the {champions} here")
    else:
        console.output.print(
            "registry: no validated model here; `penstock repro` trains them, `dvc pull` may have them"
        )
