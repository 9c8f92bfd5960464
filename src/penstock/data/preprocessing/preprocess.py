"""Preprocess raw files into the arrays of `penstock.io.processed_dataset`, and report data.json."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import DatasetConfig, SplitConfig
from penstock.core.errors import WrongSettingError
from penstock.data.datasets.base import RawSplit, load_dataset, raw_split_for
from penstock.data.preprocessing import checks
from penstock.data.preprocessing.encoder import fit_encoder
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import SPLITS, ArraySplit, SplitName, save_array

Rows = dict[SplitName, NDArray[np.int64]]


def preprocess(name: str, settings: DatasetConfig, *, raw: Path, folder: Path) -> dict[str, Any]:
    """Write the processed dataset and return the content of data.json.

    Args:
        name: Name of the dataset.
        settings: Entry of the dataset in params.yaml.
        raw: Folder of the official files.
        folder: Output folder of the processed dataset.

    Raises:
        DataCheckError: The data fail `datasets.<name>.checks`.
        WrongSettingError: `split` does not match the official parts, or `split.max_rows` leaves too few rows.
    """
    dataset = load_dataset(name)
    parts = dataset.read(raw)
    checks.require_valid_parts(name, dataset, parts, settings.inputs)
    checks.require(name, checks.of_raw(settings.checks, parts, len(dataset.classes)))
    training, test, rows, repeated = split_rows(parts, settings)

    of_split = _split_parts(training, test, rows)
    encoder, encoded_training = fit_encoder(settings.inputs, of_split["train"].inputs)
    encoded = {
        split: ArraySplit(
            inputs=encoded_training if split == "train" else encoder.encode(part.inputs), labels=part.labels
        )
        for split, part in of_split.items()
    }
    leaked = _leaked(training, test, rows)
    checks.require(name, checks.of_processed(settings.checks, encoded, leaked))

    not_test = np.concatenate([rows["train"], rows["validation"]])
    folds = _folds(not_test, training.labels[not_test], settings.split)
    info = DatasetInfo(
        dataset=name,
        kind=settings.inputs.kind,
        shape=encoder.shape,
        vocab_size=encoder.vocab_size,
        classes=dataset.classes,
        description=dataset.description,
        word_rule=settings.inputs.word_rule if settings.inputs.kind == "text" else "ascii",
    )
    report = {
        "dataset": name,
        "kind": info.kind,
        "shape": list(info.shape),
        "vocab_size": info.vocab_size,
        "splits": {split: _describe(encoded[split], dataset.classes) for split in SPLITS},
        "training_inputs": encoder.describe(of_split["train"].inputs),
        "duplicates": {
            "official": _duplicates(parts),
            "splits": _duplicates(of_split),
            "dropped_from_training": repeated,
            "leaked": leaked,
        },
    }
    # Nothing is written before all checks have passed.
    for split in SPLITS:
        save_array(folder, f"{split}/inputs", encoded[split].inputs)
        save_array(folder, f"{split}/labels", encoded[split].labels)
        save_array(folder, f"{split}/rows", rows[split])
    save_array(folder, "folds", folds)
    encoder.save(folder)
    info.save(folder)
    return report


@contextmanager
def _enough_rows() -> Iterator[None]:
    """Convert scikit-learn's error about too few rows into one that names the setting."""
    try:
        yield
    except ValueError as error:
        raise WrongSettingError("split", f"too few rows for it: {error}") from None


def split_rows(parts: Mapping[str, RawSplit], settings: DatasetConfig) -> tuple[RawSplit, RawSplit, Rows, int]:
    """Split the rows into train, validation and test.

    Returns:
        A tuple of the official part with the training rows, the official part with the test rows, the rows of each
        split (int64, ascending), and the number of training rows dropped as duplicates.

    Raises:
        WrongSettingError: `split.test` is set but an official test part exists, or it is missing and none exists. Also
            raised if too few rows remain for every class in every split.
    """
    split = settings.split
    if (split.test is None) != ("test" in parts):
        raise WrongSettingError(
            "split.test",
            "must be left out: there is an official test part" if split.test else "is needed: all is one part",
        )
    training, test = raw_split_for(parts, "train"), raw_split_for(parts, "test")
    candidates, test_rows = _sample(training, settings), _sample(test, settings)
    if split.test is not None:
        candidates, test_rows = _divide(candidates, training.labels, split.test, split)
    kept = _without_duplicates(training, candidates, test[test_rows]) if split.drop_duplicates else candidates
    train_rows, validation_rows = _divide(kept, training.labels, split.validation, split)
    rows: Rows = {"train": train_rows, "validation": validation_rows, "test": test_rows}
    return training, test, rows, len(candidates) - len(kept)


def _sample(part: RawSplit, settings: DatasetConfig) -> NDArray[np.int64]:
    """Return all rows, or `split.max_rows` random rows, int64 in ascending order.

    The sample is random because official files are often sorted by class.
    """
    rows = np.arange(len(part.labels))
    if settings.split.max_rows is None:
        return rows
    return np.sort(np.random.default_rng(settings.split.seed).permutation(rows)[: settings.split.max_rows])


def _split_parts(training: RawSplit, test: RawSplit, rows: Rows) -> dict[SplitName, RawSplit]:
    return {split: (test if split == "test" else training)[rows[split]] for split in SPLITS}


def _divide(
    rows: NDArray[np.int64], labels: NDArray[np.int64], share: float, settings: SplitConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split `rows` in two, stratified by class.

    Args:
        rows: int64, rows of an official part.
        labels: int64, labels of the whole official part.
        share: Fraction of rows in the second result, 0..1.
        settings: Seed and group size.

    Returns:
        The remaining rows and the held-out rows.
    """
    from sklearn.model_selection import train_test_split

    group_of_row, first = _groups(rows, settings)
    with _enough_rows():
        _, taken = train_test_split(
            np.arange(len(first)), test_size=share, random_state=settings.seed, stratify=labels[rows[first]]
        )
    is_taken = np.isin(group_of_row, taken)
    return rows[~is_taken], rows[is_taken]


def _folds(rows: NDArray[np.int64], labels: NDArray[np.int64], settings: SplitConfig) -> NDArray[np.int8]:
    """Return the fold that holds out each row.

    Args:
        rows: int64 [rows], row numbers, for grouping.
        labels: int64 [rows], for stratification.
        settings: Number of folds and repeats, seed and group size.

    Returns:
        int8 [repeats, rows].
    """
    from sklearn.model_selection import RepeatedStratifiedKFold

    splitter = RepeatedStratifiedKFold(n_splits=settings.folds, n_repeats=settings.repeats, random_state=settings.seed)
    group_of_row, first = _groups(rows, settings)
    fold_of_group = np.empty((settings.repeats, len(first)), dtype=np.int8)
    with _enough_rows():
        held_out_groups = [held_out for _, held_out in splitter.split(first, labels[first])]
    for number, held_out in enumerate(held_out_groups):
        repeat, fold = divmod(number, settings.folds)
        fold_of_group[repeat, held_out] = fold
    return fold_of_group[:, group_of_row]


def _groups(rows: NDArray[np.int64], settings: SplitConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the group of each row, and the index in `rows` of the first row of each group.

    A split never divides a group. The class of a group is the class of its first row.
    """
    _, first, group_of_row = np.unique(rows // settings.group_size, return_index=True, return_inverse=True)
    return group_of_row, first


def _fingerprints(part: RawSplit) -> list[bytes]:
    """Return a 128-bit BLAKE2b hash of each input, to find equal inputs."""
    rows = part.inputs
    contents = (row.encode() if isinstance(row, str) else row.tobytes() for row in rows)
    return [hashlib.blake2b(content, digest_size=16).digest() for content in contents]


def _without_duplicates(training: RawSplit, candidates: NDArray[np.int64], test: RawSplit) -> NDArray[np.int64]:
    """Return the candidate rows without duplicates of test rows or of earlier candidates."""
    seen = set(_fingerprints(test))
    kept = []
    for row, fingerprint in zip(candidates, _fingerprints(training[candidates]), strict=True):
        if fingerprint not in seen:
            kept.append(row)
            seen.add(fingerprint)
    return np.array(kept, dtype=np.int64)


def _leaked(training: RawSplit, test: RawSplit, rows: Rows) -> int:
    in_test = set(_fingerprints(test[rows["test"]]))
    trained_on = np.concatenate([rows["train"], rows["validation"]])
    return sum(fingerprint in in_test for fingerprint in _fingerprints(training[trained_on]))


def _duplicates(parts: Mapping[Any, RawSplit]) -> dict[str, Any]:
    """Count duplicates.

    Returns:
        `within`: number of rows that repeat an earlier row of the same part. `across`: number of distinct inputs that
        two parts share.
    """
    names = {part: Counter(_fingerprints(content)) for part, content in parts.items()}
    pairs = itertools.combinations(names, 2)
    return {
        "within": {part: sum(counts.values()) - len(counts) for part, counts in names.items()},
        "across": {f"{a}_and_{b}": len(names[a].keys() & names[b].keys()) for a, b in pairs},
    }


def _describe(split: ArraySplit, classes: tuple[str, ...]) -> dict[str, Any]:
    counts = np.bincount(split.labels, minlength=len(classes))
    return {
        "rows": len(split),
        "classes": {name: int(count) for name, count in zip(classes, counts, strict=True)},
        "values": [round(split.inputs.min().item(), 4), round(split.inputs.max().item(), 4)],
    }
