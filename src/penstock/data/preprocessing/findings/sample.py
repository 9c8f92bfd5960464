"""The rows that are looked at, and the targets that simple models can learn from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.plurals import counted
from penstock.data.preprocessing.findings.features import features, pixels
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ProcessedDataset

MOST_ROWS = 10_000
"""Rows that are looked at; of more rows, a sample."""
ROWS_TIMES_CLASSES, ROWS_OF_MANY_CLASSES = 100_000, 1_000
"""Of texts in more than ten classes, fewer rows: a linear model needs time for each class."""
ROWS_TIMES_PIXELS = 8_000_000
"""Of images of more than 800 pixels, fewer rows: trees need time for each pixel. 2,604 of 32 x 32 x 3."""
FEWEST_ROWS = 50
FEWEST_OF_CLASS = 10
"""Rows of a class, and with and without a label, from which it can be learned."""
FOLDS = 5
MOST_LISTED = 10
"""Names in a line for people."""


@dataclass(frozen=True)
class Sample:
    """Rows that are looked at."""

    features: Any
    """[rows, features], as `features` returns them: an array, or a sparse matrix."""
    labels: NDArray[Any]
    """As in `ArraySplit`."""
    folds: NDArray[np.int64]
    """Number of the fold that holds out each row, 0 to 4."""
    numbers: NDArray[np.int64]
    """Number of each row among the training rows followed by the validation rows."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: NDArray[Any]) -> Sample:
        return Sample(self.features[rows], self.labels[rows], self.folds[rows], self.numbers[rows])

    def held_out(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the rows to learn from and the rows that are held out, for each fold."""
        for fold in np.unique(self.folds):
            held = self.folds == fold
            yield np.flatnonzero(~held), np.flatnonzero(held)


def take(processed: ProcessedDataset) -> Sample:
    """Return at most `MOST_ROWS` rows of train and validation, in their order."""
    info = processed.info
    parts = processed.split("train"), processed.split("validation")
    rows, first = sum(map(len, parts)), len(parts[0])
    chosen, most = np.arange(rows), _most_rows(info)
    if rows > most:
        chosen = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    split = np.searchsorted(chosen, first)
    halves = tuple(zip(parts, (chosen[:split], chosen[split:] - first), strict=True))
    return Sample(
        features=features(info, [(part.inputs, at) for part, at in halves]),
        labels=np.concatenate([part.labels[at] for part, at in halves]),
        folds=processed.folds()[0][chosen].astype(np.int64) % FOLDS,
        numbers=chosen,
    )


def _most_rows(info: DatasetInfo) -> int:
    if info.kind == "text":
        return min(MOST_ROWS, max(ROWS_OF_MANY_CLASSES, ROWS_TIMES_CLASSES // max(len(info.classes), 1)))
    if info.kind == "image":
        return min(MOST_ROWS, ROWS_TIMES_PIXELS // pixels(info.shape))
    return MOST_ROWS


def learnable(sample: Sample, info: DatasetInfo) -> tuple[Sample, list[int], list[str]]:
    """Return the rows and the targets that can be learned, and the reasons why others cannot.

    The targets are columns of the labels; a class has one, 0. Where there are any, the rows are of two folds or more.
    """
    if len(sample) < FEWEST_ROWS:
        return sample, [], [f"{counted(len(sample), 'row')} outside test; {FEWEST_ROWS} are needed"]
    learned = _frequent_classes if info.target == "class" else _varying_targets
    rows, targets, skipped = learned(sample, info)
    if targets and len(np.unique(rows.folds)) == 1:
        return rows, [], [*skipped, "all rows are of one fold, as where one group has nearly all rows"]
    return rows, targets, skipped


def _frequent_classes(sample: Sample, info: DatasetInfo) -> tuple[Sample, list[int], list[str]]:
    frequent = np.bincount(sample.labels, minlength=len(info.classes)) >= FEWEST_OF_CLASS
    rare = [name for name, enough in zip(info.classes, frequent, strict=True) if not enough]
    skipped = _skipped(f"classes with fewer than {FEWEST_OF_CLASS} of the {len(sample):,} rows", rare)
    return sample[frequent[sample.labels]], [0] if frequent.sum() > 1 else [], skipped


def _varying_targets(sample: Sample, info: DatasetInfo) -> tuple[Sample, list[int], list[str]]:
    if info.target == "labels":
        with_it = sample.labels.sum(axis=0)
        varies, reason = np.minimum(with_it, len(sample) - with_it) >= FEWEST_OF_CLASS, "nearly"
    else:
        varies, reason = sample.labels.min(axis=0) < sample.labels.max(axis=0), "always"
    same = [name for name, enough in zip(target_names(info), varies, strict=True) if not enough]
    return sample, np.flatnonzero(varies).tolist(), _skipped(f"{reason} the same", same)


def _skipped(reason: str, names: Sequence[str]) -> list[str]:
    return [f"{reason}: {shortened(names)}"] if names else []


def shortened(names: Sequence[str]) -> str:
    """Return the first `MOST_LISTED` names, and how many more there are."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


def target_names(info: DatasetInfo) -> tuple[str, ...]:
    """Return the name of each target, a column of the labels."""
    match info.target:
        case "class":
            return ("class",)
        case "labels":
            return info.classes
        case "number":
            return tuple(target.name for target in info.targets)
