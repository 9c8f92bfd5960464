"""The rows that are looked at, and the targets that simple models can learn from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        """Yield the rows to learn from and the rows that are held out, for each fold that has both."""
        for fold in np.unique(self.folds):
            held = self.folds == fold
            if not held.all():
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


def learnable(sample: Sample, info: DatasetInfo, skipped: list[str]) -> tuple[Sample, list[int]]:
    """Return the rows and the targets that can be learned; append reasons to `skipped`.

    The targets are columns of the labels; a class has one, 0.
    """
    if len(sample) < FEWEST_ROWS:
        skipped.append(f"{len(sample)} rows outside test; {FEWEST_ROWS} are needed")
        return sample, []
    if info.target == "class":
        frequent = np.bincount(sample.labels, minlength=len(info.classes)) >= FEWEST_OF_CLASS
        if not frequent.all():
            rare = [name for name, enough in zip(info.classes, frequent, strict=True) if not enough]
            skipped.append(f"classes of fewer than {FEWEST_OF_CLASS} rows: {', '.join(rare)}")
        return sample[frequent[sample.labels]], [0] if frequent.sum() > 1 else []
    names = target_names(info)
    low, high = sample.labels.min(axis=0), sample.labels.max(axis=0)
    if info.target == "labels":
        with_it = sample.labels.sum(axis=0)
        varies, reason = np.minimum(with_it, len(sample) - with_it) >= FEWEST_OF_CLASS, "nearly"
    else:
        varies, reason = low < high, "always"
    skipped += [f"{name} is {reason} the same" for name, enough in zip(names, varies, strict=True) if not enough]
    return sample, np.flatnonzero(varies).tolist()


def target_names(info: DatasetInfo) -> tuple[str, ...]:
    """Return the name of each target, a column of the labels."""
    match info.target:
        case "class":
            return ("class",)
        case "labels":
            return info.classes
        case "number":
            return tuple(target.name for target in info.targets)
