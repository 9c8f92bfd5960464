"""Divide the rows of a dataset into train, validation and test, and into folds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import DatasetConfig, SplitConfig
from penstock.core.errors import WrongSettingError
from penstock.data.preprocessing.fingerprints import fingerprints
from penstock.data.sources.rows import RawSplit, raw_split_for
from penstock.io.processed_dataset import SplitName

Rows = dict[SplitName, NDArray[np.int64]]


@dataclass(frozen=True)
class SplitRows:
    """Rows of each split, as numbers in the part of the files that contains the split."""

    rows: Rows
    """int64, in the order of the files."""
    dropped: int
    """Number of training rows that were dropped as duplicates."""


def split_rows(parts: Mapping[str, RawSplit], settings: DatasetConfig) -> SplitRows:
    """Split the rows into train, validation and test.

    Raises:
        WrongSettingError: `split.test` or `split.validation` is set but there is a part of that name, or it is missing
            and there is none. Also raised if too few rows remain for every class in every split.
    """
    split = settings.split
    _require_shares(parts, split)
    training, test = raw_split_for(parts, "train"), raw_split_for(parts, "test")
    candidates, test_rows = _sample(training, split), _sample(test, split)
    if split.test is not None:
        candidates, test_rows = _divide(candidates, training, split.test, settings)
    kept = _without_duplicates(training, candidates, test[test_rows]) if split.drop_duplicates else candidates
    dropped = len(candidates) - len(kept)
    if "validation" in parts:
        return SplitRows({"train": kept, "validation": _sample(parts["validation"], split), "test": test_rows}, dropped)
    assert split.validation is not None
    train_rows, validation_rows = _divide(kept, training, split.validation, settings)
    return SplitRows({"train": train_rows, "validation": validation_rows, "test": test_rows}, dropped)


def _require_shares(parts: Mapping[str, RawSplit], split: SplitConfig) -> None:
    names: tuple[Literal["test"], Literal["validation"]] = ("test", "validation")
    for name in names:
        share = getattr(split, name)
        if (share is None) != (name in parts):
            problem = f"must be left out: the files have a part {name}" if share else f"is needed: no part is {name}"
            raise WrongSettingError(f"split.{name}", problem)


def _sample(part: RawSplit, split: SplitConfig) -> NDArray[np.int64]:
    """Return all rows, or `split.max_rows` random rows, int64 in ascending order.

    The sample is random because official files are often sorted by class.
    """
    rows = np.arange(len(part))
    if split.max_rows is None:
        return rows
    return np.sort(np.random.default_rng(split.seed).permutation(rows)[: split.max_rows])


def _divide(
    rows: NDArray[np.int64], part: RawSplit, share: float, settings: DatasetConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split `rows` in two: by time, by group, or at random, stratified by class.

    Args:
        rows: int64, rows of the part.
        part: The part.
        share: Fraction of rows in the second result, 0..1.
        settings: Split and target.

    Returns:
        The remaining rows and the held-out rows.
    """
    split = settings.split
    if split.time is not None:
        return _divide_by_time(rows, part, share)
    from sklearn.model_selection import train_test_split

    group_of_row, first = group_numbers(rows, part, split)
    with enough_rows():
        _, taken = train_test_split(
            np.arange(len(first)),
            test_size=share,
            random_state=split.seed,
            stratify=strata(rows[first], part, settings),
        )
    is_taken = np.isin(group_of_row, taken)
    return rows[~is_taken], rows[is_taken]


def _divide_by_time(
    rows: NDArray[np.int64], part: RawSplit, share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold out the last rows. Rows of equal time stay together, so that the share is at least as large."""
    assert part.groups is not None
    times = _comparable_times(part.groups[rows])
    order = np.argsort(times, kind="stable")
    threshold = times[order[len(rows) - max(1, round(len(rows) * share))]]
    is_later = times >= threshold
    if is_later.all():
        raise WrongSettingError("split.time", "all rows have the same time")
    return rows[~is_later], rows[is_later]


def _comparable_times(texts: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as float64, dates as they are: ISO dates sort as texts."""
    if any(text is None for text in texts):
        raise WrongSettingError("split.time", "has rows without a value")
    try:
        return texts.astype(np.float64)
    except ValueError:
        return texts.astype(str)


def strata(rows: NDArray[np.int64], part: RawSplit, settings: DatasetConfig) -> NDArray[np.int64] | None:
    """Return the class of each row for a stratified split; None where there is none, or rows are kept by a group."""
    if settings.target.kind != "class" or settings.split.group is not None:
        return None
    labels: NDArray[np.int64] = part.labels[rows]
    return labels


def fold_numbers(rows: NDArray[np.int64], part: RawSplit, settings: DatasetConfig) -> NDArray[np.int8]:
    """Return the fold that holds out each row, int8 [repeats, rows]; stratified as `_divide` does it.

    Args:
        rows: int64 [rows], rows of the part.
        part: The part.
        settings: Split and target.
    """
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

    split = settings.split
    group_of_row, first = group_numbers(rows, part, split)
    classes = strata(rows[first], part, settings)
    kind = RepeatedKFold if classes is None else RepeatedStratifiedKFold
    splitter = kind(n_splits=split.folds, n_repeats=split.repeats, random_state=split.seed)
    fold_of_group = np.empty((split.repeats, len(first)), dtype=np.int8)
    with enough_rows():
        held_out_groups = [held_out for _, held_out in splitter.split(first, classes)]
    for number, held_out in enumerate(held_out_groups):
        repeat, fold = divmod(number, split.folds)
        fold_of_group[repeat, held_out] = fold
    return fold_of_group[:, group_of_row]


def group_numbers(
    rows: NDArray[np.int64], part: RawSplit, split: SplitConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the group of each row, and the index in `rows` of the first row of each group.

    A split never divides a group. The class of a group is the class of its first row.
    """
    if split.group is None:
        groups: NDArray[Any] = rows // split.group_size
    else:
        assert part.groups is not None
        # A row without a group is one of its own.
        texts = part.groups[rows]
        groups = np.array([f"{row}" if text is None else f"= {text}" for row, text in zip(rows, texts, strict=True)])
    _, first, group_of_row = np.unique(groups, return_index=True, return_inverse=True)
    return group_of_row, first


@contextmanager
def enough_rows() -> Iterator[None]:
    """Convert scikit-learn's error about too few rows into one that names the setting."""
    try:
        yield
    except ValueError as error:
        raise WrongSettingError("split", f"too few rows for it: {error}") from None


def _without_duplicates(training: RawSplit, candidates: NDArray[np.int64], test: RawSplit) -> NDArray[np.int64]:
    """Return the candidate rows without duplicates of test rows or of earlier candidates."""
    seen = set(fingerprints(test.inputs))
    kept = []
    for row, fingerprint in zip(candidates, fingerprints(training[candidates].inputs), strict=True):
        if fingerprint not in seen:
            kept.append(row)
            seen.add(fingerprint)
    return np.array(kept, dtype=np.int64)
