"""Put the findings in a processed dataset together, for data.json and for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.plurals import counted
from penstock.data.preprocessing.findings.constants import constant_columns
from penstock.data.preprocessing.findings.leaks import leak_suspects
from penstock.data.preprocessing.findings.sample import Sample, learnable, shortened, take, target_names
from penstock.data.preprocessing.findings.suspects import Suspects, label_suspects
from penstock.io.processed_dataset import ProcessedDataset, SplitName

SHOWN = 20

Places = Callable[[SplitName, Sequence[int]], list[str]]
"""Function from a split and rows of its part of the files to their places, such as `wine.csv:17`."""


def findings(processed: ProcessedDataset, columns: Sequence[str], places: Places) -> dict[str, Any]:
    """Return the findings in a processed dataset, as docs/reports.md describes them.

    Args:
        processed: The dataset.
        columns: Names of the columns of a table, in the order of the features.
        places: Where rows stand in the files.
    """
    info = processed.info
    sample = take(processed)
    rows, targets, skipped = learnable(sample, info)
    suspects = label_suspects(rows, targets, info)
    constant = {"constant_columns": constant_columns(processed, columns)} if info.kind in ("table", "columns") else {}
    return {
        "rows": len(sample),
        **constant,
        "leak_suspects": leak_suspects(rows, targets, processed, columns),
        "label_suspects": {
            "count": len(suspects),
            "most_suspect": _described(suspects[:SHOWN], rows, processed, places),
        },
        "skipped": skipped,
    }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each kind of finding, for people."""
    if found.get("constant_columns"):
        yield f"constant columns: {shortened(found['constant_columns'])}"
    if found["leak_suspects"]:
        shown = [f"{one['input']} ({one['target']}: {one['score']:.3f})" for one in found["leak_suspects"]]
        yield f"leak suspects, which alone predict the target: {shortened(shown)}"
    count = found["label_suspects"]["count"]
    if count:
        first = found["label_suspects"]["most_suspect"][0]
        yield (
            f"suspect labels: {count:,} in {counted(found['rows'], 'row')}; the most suspect one is {first['place']}: "
            f"{first['target']} {first['given']}, rather {first['suggested']}"
        )
    for reason in found["skipped"]:
        yield f"not looked for suspects: {reason}"


def _described(suspects: Suspects, rows: Sample, processed: ProcessedDataset, places: Places) -> list[dict[str, Any]]:
    info = processed.info
    names, is_number = target_names(info), info.target == "number"
    where = _places(rows.numbers[suspects.rows], processed, places)

    def shown(value: float) -> str | float:
        if is_number:
            return float(f"{value:.6g}")
        return info.classes[int(value)] if info.target == "class" else int(value)

    return [
        {
            "place": where[i],
            "target": names[suspects.targets[i]],
            "given": shown(suspects.given[i]),
            "suggested": shown(suspects.suggested[i]),
            "deviations" if is_number else "confidence": round(float(suspects.certainty[i]), 2),
        }
        for i in range(len(suspects))
    ]


def _places(numbers: NDArray[np.int64], processed: ProcessedDataset, places: Places) -> list[str]:
    """Return the places of rows, by their numbers among the training rows followed by the validation rows."""
    train = len(processed.rows("train"))
    halves: tuple[tuple[SplitName, Any, int], ...] = (
        ("train", numbers < train, 0),
        ("validation", numbers >= train, train),
    )
    found = np.empty(len(numbers), dtype=object)
    for split, chosen, first in halves:
        if chosen.any():
            found[chosen] = places(split, processed.rows(split)[numbers[chosen] - first].tolist())
    return list(found)
