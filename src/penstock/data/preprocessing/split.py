"""Divide the rows of a dataset into train, validation and test, and into folds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import DatasetConfig, SplitConfig
from penstock.config.targets import class_names
from penstock.core.errors import WrongSettingError
from penstock.core.plurals import counted
from penstock.data.preprocessing.fingerprints import is_new
from penstock.data.preprocessing.parts import PartRows
from penstock.data.sources.rows import part_for
from penstock.io.processed_dataset import SplitName

Rows = dict[SplitName, NDArray[np.int64]]


@dataclass(frozen=True)
class SplitRows:
    """Rows of each split, as numbers in the part of the files that contains the split."""

    rows: Rows
    """int64, in the order of the files."""
    dropped: int
    """Number of training rows that were dropped as duplicates."""


def split_rows(parts: Mapping[str, PartRows], settings: DatasetConfig) -> SplitRows:
    """Split the rows into train, validation and test.

    Raises:
        WrongSettingError: `split.test` or `split.validation` is set but there is a part of that name, or it is missing
            and there is none. Also raised if too few rows, groups or times remain for every class in every split.
    """
    split = settings.split
    _require_shares(parts, split)
    training, test = part_for(parts, "train"), part_for(parts, "test")
    candidates, test_rows = _sample(training, split), _sample(test, split)
    if split.test is not None:
        candidates, test_rows = _divide(candidates, training, split.test, settings)
    kept = candidates
    if split.drop_duplicates:
        kept = candidates[is_new(training.fingerprints[candidates], test.fingerprints[test_rows])]
    dropped = len(candidates) - len(kept)
    if "validation" in parts:
        return SplitRows({"train": kept, "validation": _sample(parts["validation"], split), "test": test_rows}, dropped)
    assert split.validation is not None
    train_rows, validation_rows = _divide(kept, training, split.validation, settings)
    _require_each_class(training.labels[train_rows], settings)
    return SplitRows({"train": train_rows, "validation": validation_rows, "test": test_rows}, dropped)


def _require_each_class(labels: NDArray[Any], settings: DatasetConfig) -> None:
    """Require a training row of each class. A random split has one if the files have two."""
    split = settings.split
    if settings.target.kind != "class" or split.max_rows is not None:
        return
    names = class_names(settings.target)
    missing = np.flatnonzero(np.bincount(labels, minlength=len(names)) == 0)
    if len(missing):
        key = "split.group" if split.group is not None else "split.time" if split.time is not None else "target.classes"
        raise WrongSettingError(key, f"no training row has the class '{names[missing[0]]}'")


def _require_shares(parts: Mapping[str, PartRows], split: SplitConfig) -> None:
    names: tuple[Literal["test"], Literal["validation"]] = ("test", "validation")
    for name in names:
        share = getattr(split, name)
        if (share is None) != (name in parts):
            problem = f"must be left out: the files have a part {name}" if share else f"is needed: no part is {name}"
            raise WrongSettingError(f"split.{name}", problem)


def _sample(part: PartRows, split: SplitConfig) -> NDArray[np.int64]:
    """Return all rows, or `split.max_rows` random rows, int64 in ascending order.

    The sample is random because official files are often sorted by class.
    """
    rows = np.arange(len(part))
    if split.max_rows is None:
        return rows
    return np.sort(np.random.default_rng(split.seed).permutation(rows)[: split.max_rows])


def _divide(
    rows: NDArray[np.int64], part: PartRows, share: float, settings: DatasetConfig
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
    classes = strata(rows[first], part, settings)
    if split.group is not None and len(first) < 2:
        raise WrongSettingError("split.group", "all rows have the same group; a split needs two or more")
    if classes is not None:
        _require_two_of_each_class(classes, settings)
    with enough_rows():
        _, taken = train_test_split(np.arange(len(first)), test_size=share, random_state=split.seed, stratify=classes)
    is_taken = np.isin(group_of_row, taken)
    return rows[~is_taken], rows[is_taken]


def _require_two_of_each_class(classes: NDArray[np.int64], settings: DatasetConfig) -> None:
    names = class_names(settings.target)
    for index in np.flatnonzero(np.bincount(classes) == 1).tolist():
        what = "row" if settings.split.group_size == 1 else "group of rows"
        raise WrongSettingError(
            "target.classes",
            f"'{names[index]}' has one {what} to divide, and a stratified split needs two; add rows, or remove it",
        )


def _divide_by_time(
    rows: NDArray[np.int64], part: PartRows, share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold out the last rows. Rows of equal time stay together, so that the share is at least as large."""
    times = _times(part)[rows]
    threshold = np.sort(times)[len(rows) - max(1, round(len(rows) * share))]
    is_later = times >= threshold
    if is_later.all():
        raise WrongSettingError(
            "split.time", f"{counted(len(rows), 'row is', 'rows are')} not enough, or too many have the same time"
        )
    return rows[~is_later], rows[is_later]


def _times(part: PartRows) -> NDArray[Any]:
    assert part.groups is not None
    return part.groups


def strata(rows: NDArray[np.int64], part: PartRows, settings: DatasetConfig) -> NDArray[np.int64] | None:
    """Return the class of each row for a stratified split; None where there is none, or rows are kept by a group."""
    if settings.target.kind != "class" or settings.split.group is not None:
        return None
    labels: NDArray[np.int64] = part.labels[rows]
    return labels


def fold_numbers(rows: Rows, parts: Mapping[str, PartRows], settings: DatasetConfig) -> NDArray[np.int8]:
    """Return the fold that holds out each training and validation row, int8 [repeats, train rows + validation rows].

    Folds are stratified as the split is, and never divide a group. With `split.time`, they are blocks of consecutive
    times. With a given part of validation rows, the other folds are those of each part, joined.

    Raises:
        WrongSettingError: There are too few rows, groups or times for `split.folds`.
    """
    if settings.split.time is not None:
        times = np.concatenate([_times(part_for(parts, name))[rows[name]] for name in ("train", "validation")])
        return _blocks_of_time(times, settings.split.folds)
    if "validation" in parts:
        found = [_random_folds(rows[name], parts[name], settings) for name in ("train", "validation")]
        return np.concatenate(found, axis=1)
    return _random_folds(np.concatenate([rows["train"], rows["validation"]]), part_for(parts, "train"), settings)


def _blocks_of_time(times: NDArray[Any], folds: int) -> NDArray[np.int8]:
    """Return blocks of consecutive times of similar size, int8 [1, rows]; equal times are in one block."""
    distinct, first, number = np.unique(np.sort(times), return_index=True, return_inverse=True)
    if len(distinct) < folds:
        raise WrongSettingError("split.folds", f"{folds} folds need as many times; only {len(distinct)} outside test")
    ideal = first * folds // len(times)
    # Every block has a time of its own, even where many rows share one.
    least = np.arange(len(distinct)) - (len(distinct) - folds)
    block = np.maximum(ideal, least)
    for i in range(1, len(block)):
        block[i] = min(block[i], block[i - 1] + 1)
    fold_of_sorted = block[number]
    fold = np.empty(len(times), dtype=np.int8)
    fold[np.argsort(times, kind="stable")] = fold_of_sorted
    return fold[None]


def _random_folds(rows: NDArray[np.int64], part: PartRows, settings: DatasetConfig) -> NDArray[np.int8]:
    """Return the folds of rows of a part, int8 [repeats, rows]."""
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

    split = settings.split
    group_of_row, first = group_numbers(rows, part, split)
    if split.group is not None and len(first) < split.folds:
        raise WrongSettingError(
            "split.folds", f"{split.folds} folds need as many groups; only {len(first)} outside test"
        )
    classes = strata(rows[first], part, settings)
    kind = RepeatedKFold if classes is None else RepeatedStratifiedKFold
    splitter = kind(n_splits=split.folds, n_repeats=split.repeats, random_state=split.seed)
    fold_of_group = np.empty((split.repeats, len(first)), dtype=np.int8)
    with enough_rows(), warnings.catch_warnings():
        # A class of fewer rows than folds is missing in some of them.
        warnings.filterwarnings("ignore", message="The least populated class")
        for number, (_, held_out) in enumerate(splitter.split(first, classes)):
            repeat, fold = divmod(number, split.folds)
            fold_of_group[repeat, held_out] = fold
    return fold_of_group[:, group_of_row]


def group_numbers(
    rows: NDArray[np.int64], part: PartRows, split: SplitConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the group of each row, and the index in `rows` of the first row of each group.

    A split never divides a group. The class of a group is the class of its first row.
    """
    if split.group is None:
        groups: NDArray[Any] = rows // split.group_size
    else:
        assert part.groups is not None
        groups = part.groups[rows]
    _, first, group_of_row = np.unique(groups, return_index=True, return_inverse=True)
    return group_of_row, first


@contextmanager
def enough_rows() -> Iterator[None]:
    """Convert scikit-learn's error about too few rows into one that names the setting."""
    try:
        yield
    except ValueError as error:
        raise WrongSettingError("split", f"too few rows for it: {error}") from None
