"""Print what `penstock register` finds when nothing differs."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core import console
from penstock.registry.local_models import LocalModel


def summarize(models: Sequence[LocalModel]) -> None:
    """Print one line about files that agree with the registry."""
    count = sum(1 for one in models if one.provenance)
    if count:
        console.output.print(f"registry: up to date; the champions are the {count} validated files here")
    else:
        console.output.print(
            "registry: no validated model here; `penstock repro` trains them, `dvc pull` may have them"
        )
