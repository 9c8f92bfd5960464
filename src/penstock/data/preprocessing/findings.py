"""Look for columns and rows of a mixed table that deserve a second look, for data.json.

Nothing here stops a pipeline: what must be true stands in `datasets.<name>.checks`. The test rows are not looked at.
The folds are those of `split`, so that rows of a group, or of later times, are never on both sides.

A column is constant if all training rows have the same value, or none has one.

A column is a leak suspect if it alone predicts the target: a decision tree on this column, cross-validated, reaches
`LEAK_SCORE`. The score of classes and labels is the balanced accuracy (the mean share of correct rows over the classes;
a constant answer has 0.5 or less), that of numbers is R².

A label is suspect if cross-validated trees (extremely randomized trees, Geurts et al. 2006) contradict it. Classes and
labels: a share of at least `CONFIDENCE` of the votes is against the given one, and half of them are for another one.
Numbers: the error is more than `DEVIATIONS` times the usual one, which is the larger of the robust standard deviation
of all errors (1.4826 times the median absolute deviation) and the deviation of the trees from one another.

Votes are counted twice: trees that learned wrong labels vote with less confidence, so those of the second pass do not
learn the labels that most votes of the first one (a share of `DOUBT`) are against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from penstock.data.preprocessing.statistics import column_statistics
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ProcessedDataset, SplitName

MOST_ROWS = 10_000
"""Rows that the trees look at; of more rows, a sample."""
FEWEST_ROWS = 50
FEWEST_OF_CLASS = 10
"""Rows of a class, and with and without a label, from which trees can learn it."""
FOLDS = 5
TREES = 50
LEAK_SCORE = 0.99
DOUBT, CONFIDENCE = 0.65, 0.9
"""Shares of the votes against a label: from which it is not learned in the second pass; from which it is suspect."""
DEVIATIONS = 5.0
SHOWN = 20

Places = Callable[[SplitName, Sequence[int]], list[str]]
"""Function from a split and rows of its part of the files to their places, such as `wine.csv:17`."""


@dataclass(frozen=True)
class _Rows:
    """The rows that the trees look at."""

    inputs: NDArray[np.float32]
    """[rows, columns]"""
    labels: NDArray[Any]
    """As in `ArraySplit`."""
    folds: NDArray[np.int64]
    """Number of the fold that holds out each row, 0 to 4."""
    numbers: NDArray[np.int64]
    """Number of each row among the training rows followed by the validation rows."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: NDArray[Any]) -> _Rows:
        return _Rows(self.inputs[rows], self.labels[rows], self.folds[rows], self.numbers[rows])


@dataclass(frozen=True)
class _Suspects:
    """Suspect labels, the most suspect ones first."""

    rows: NDArray[np.int64]
    """Index into `_Rows`."""
    targets: NDArray[np.int64]
    """Column of the labels; 0 if the target is a class."""
    given: NDArray[Any]
    """Class, 0 or 1, or number."""
    suggested: NDArray[Any]
    """What the trees predict."""
    certainty: NDArray[np.float64]
    """Share of the votes against the given label, or the error in usual ones."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: NDArray[Any] | slice) -> _Suspects:
        return _Suspects(
            self.rows[which],
            self.targets[which],
            self.given[which],
            self.suggested[which],
            self.certainty[which],
        )


def findings(processed: ProcessedDataset, places: Places) -> dict[str, Any]:
    """Return the findings in a processed mixed table, as docs/reports.md describes them.

    Args:
        processed: The dataset.
        places: Where rows stand in the files.
    """
    info = processed.info
    sample = _sample(processed)
    skipped: list[str] = []
    rows, targets = _usable(sample, info, skipped)
    suspects = _suspects(rows, targets, info)
    return {
        "rows": len(sample),
        "constant_columns": _constant_columns(processed, info),
        "leak_suspects": _leaks(rows, targets, info),
        "label_suspects": {
            "count": len(suspects),
            "most_suspect": _described(suspects[:SHOWN], rows, processed, places),
        },
        "skipped": skipped,
    }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each kind of finding, for people."""
    if found["constant_columns"]:
        yield f"constant columns: {', '.join(found['constant_columns'])}"
    if found["leak_suspects"]:
        shown = [f"{one['column']} ({one['target']}: {one['score']:.3f})" for one in found["leak_suspects"]]
        yield f"leak suspects, columns that alone predict the target: {', '.join(shown)}"
    count = found["label_suspects"]["count"]
    if count:
        first = found["label_suspects"]["most_suspect"][0]
        yield (
            f"suspect labels: {count:,} in {found['rows']:,} rows; the most suspect one is {first['place']}: "
            f"{first['target']} {first['given']}, rather {first['suggested']}"
        )
    for reason in found["skipped"]:
        yield f"not looked for suspects: {reason}"


def _sample(processed: ProcessedDataset) -> _Rows:
    """Return at most `MOST_ROWS` rows of train and validation, in their order."""
    parts = processed.split("train"), processed.split("validation")
    rows, first = sum(map(len, parts)), len(parts[0])
    chosen = np.arange(rows)
    if rows > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))
    split = np.searchsorted(chosen, first)
    halves = [part[at] for part, at in zip(parts, (chosen[:split], chosen[split:] - first), strict=True)]
    return _Rows(
        inputs=np.concatenate([half.inputs for half in halves]),
        labels=np.concatenate([half.labels for half in halves]),
        folds=processed.folds()[0][chosen].astype(np.int64) % FOLDS,
        numbers=chosen,
    )


def _usable(rows: _Rows, info: DatasetInfo, skipped: list[str]) -> tuple[_Rows, list[int]]:
    """Return the rows and the targets that trees can learn; append reasons to `skipped`.

    The targets are columns of the labels; a class has one, 0.
    """
    if len(rows) < FEWEST_ROWS:
        skipped.append(f"{len(rows)} rows outside test; {FEWEST_ROWS} are needed")
        return rows, []
    if info.target == "class":
        frequent = np.bincount(rows.labels, minlength=len(info.classes)) >= FEWEST_OF_CLASS
        if not frequent.all():
            rare = [name for name, enough in zip(info.classes, frequent, strict=True) if not enough]
            skipped.append(f"classes of fewer than {FEWEST_OF_CLASS} rows: {', '.join(rare)}")
        return rows[frequent[rows.labels]], [0] if frequent.sum() > 1 else []
    names = _target_names(info)
    low, high = rows.labels.min(axis=0), rows.labels.max(axis=0)
    if info.target == "labels":
        with_it = rows.labels.sum(axis=0)
        learnable, reason = np.minimum(with_it, len(rows) - with_it) >= FEWEST_OF_CLASS, "nearly"
    else:
        learnable, reason = low < high, "always"
    skipped += [f"{name} is {reason} the same" for name, varies in zip(names, learnable, strict=True) if not varies]
    return rows, np.flatnonzero(learnable).tolist()


def _target_names(info: DatasetInfo) -> tuple[str, ...]:
    match info.target:
        case "class":
            return ("class",)
        case "labels":
            return info.classes
        case "number":
            return tuple(target.name for target in info.targets)


def _constant_columns(processed: ProcessedDataset, info: DatasetInfo) -> list[str]:
    training = processed.split("train").inputs
    same = np.flatnonzero([_is_constant(column) for column in np.asarray(training[:MOST_ROWS]).T])
    found = column_statistics(training[:, same]) if len(same) else None
    if found is None:
        return []
    whole = (found.present == 0) | ((found.low == found.high) & (found.present == len(training)))
    return [info.columns[place].name for place in same[whole]]


def _is_constant(column: NDArray[np.float32]) -> bool:
    return bool(np.array_equal(column, np.full_like(column, column[0]), equal_nan=True))


def _held_out(rows: _Rows) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the rows to learn from and the rows that are held out, for each fold that has both."""
    for fold in np.unique(rows.folds):
        held = rows.folds == fold
        if not held.all():
            yield np.flatnonzero(~held), np.flatnonzero(held)


def _leaks(rows: _Rows, targets: Sequence[int], info: DatasetInfo) -> list[dict[str, Any]]:
    found = []
    for target in targets:
        labels = rows.labels if info.target == "class" else rows.labels[:, target]
        for place, column in enumerate(info.columns):
            score = _score_alone(rows, rows.inputs[:, [place]], labels, is_number=info.target == "number")
            if score >= LEAK_SCORE:
                found.append({"column": column.name, "target": _target_names(info)[target], "score": round(score, 4)})
    return found


def _score_alone(rows: _Rows, column: NDArray[np.float32], labels: NDArray[Any], *, is_number: bool) -> float:
    """Return the cross-validated score of a tree on one column [rows, 1]; that of the first fold if it is low."""
    score = _r2 if is_number else _balanced_accuracy
    predicted, judged = np.zeros(len(rows), dtype=labels.dtype), np.zeros(len(rows), dtype=bool)
    for learned, held in _held_out(rows):
        tree = (DecisionTreeRegressor if is_number else DecisionTreeClassifier)(random_state=0)
        predicted[held] = tree.fit(column[learned], labels[learned]).predict(column[held])
        if not judged.any() and score(labels[held], predicted[held]) < LEAK_SCORE - 0.1:
            return 0.0
        judged[held] = True
    return score(labels[judged], predicted[judged])


def _balanced_accuracy(labels: NDArray[Any], predicted: NDArray[Any]) -> float:
    return (
        float(np.mean([np.mean(predicted[labels == one] == one) for one in np.unique(labels)])) if len(labels) else 0.0
    )


def _r2(labels: NDArray[Any], predicted: NDArray[Any]) -> float:
    total = float(np.var(labels, dtype=np.float64))
    return 1 - float(np.mean((labels - predicted) ** 2, dtype=np.float64)) / total if total else 0.0


def _suspects(rows: _Rows, targets: Sequence[int], info: DatasetInfo) -> _Suspects:
    if not targets:
        nothing = np.empty(0, dtype=np.int64)
        return _Suspects(nothing, nothing, nothing, nothing, nothing.astype(np.float64))
    match info.target:
        case "class":
            found = _suspect_classes(rows, len(info.classes))
        case "labels":
            found = _suspect_labels(rows, np.asarray(targets))
        case "number":
            found = _suspect_numbers(rows, np.asarray(targets))
    return found[np.argsort(-found.certainty, kind="stable")]


def _suspect_classes(rows: _Rows, classes: int) -> _Suspects:
    votes, _ = _class_votes(rows, classes, np.ones(len(rows), dtype=bool))
    votes, known = _class_votes(rows, classes, _against_class(votes, rows) < DOUBT)
    against = _against_class(votes, rows)
    suspect = np.flatnonzero(known & (against >= CONFIDENCE) & (votes.max(axis=1) >= 0.5))
    nothing = np.zeros(len(suspect), dtype=np.int64)
    return _Suspects(suspect, nothing, rows.labels[suspect], votes[suspect].argmax(axis=1), against[suspect])


def _against_class(votes: NDArray[np.float32], rows: _Rows) -> NDArray[np.float64]:
    return 1 - np.take_along_axis(votes, rows.labels[:, None], axis=1)[:, 0].astype(np.float64)


def _class_votes(
    rows: _Rows, classes: int, trusted: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the shares of the votes, [rows, classes], of trees that learned from the trusted rows of other folds.

    Also returned are the rows, [rows], of whose class the trees have seen any.
    """
    votes = np.zeros((len(rows), classes), dtype=np.float32)
    known = np.zeros(len(rows), dtype=bool)
    for others, held in _held_out(rows):
        learned = others[trusted[others]]
        if not len(learned):  # the trees contradict every label: noise, or too few rows of many classes
            continue
        present = np.unique(rows.labels[learned])
        for seed in range(TREES):  # one at a time: a whole forest takes gigabytes where the labels are noise
            tree = ExtraTreeClassifier(max_features="sqrt", random_state=seed)
            tree.fit(rows.inputs[learned], rows.labels[learned])
            votes[np.ix_(held, present)] += tree.predict_proba(rows.inputs[held]) / TREES
        known[held] = np.isin(rows.labels[held], present)
    return votes, known


def _suspect_labels(rows: _Rows, targets: NDArray[np.int64]) -> _Suspects:
    given = rows.labels[:, targets]
    first, _, _ = _predicted(rows, given)
    # A row with one doubtful label has others to learn from.
    votes, _, known = _predicted(rows, np.where(np.abs(given - first) < DOUBT, given, 1 - given))
    against = np.abs(given - votes)
    row, place = np.nonzero(known[:, None] & (against >= CONFIDENCE))
    label = given[row, place].astype(np.int64)
    return _Suspects(row, targets[place], label, 1 - label, against[row, place])


def _suspect_numbers(rows: _Rows, targets: NDArray[np.int64]) -> _Suspects:
    given = rows.labels[:, targets].astype(np.float64)
    mean, scale = given.mean(axis=0), given.std(axis=0)
    predicted, spread, known = _predicted(rows, (given - mean) / scale)
    predicted, spread = predicted * scale + mean, spread * scale
    errors = given - predicted
    errors -= np.median(errors[known], axis=0)
    usual = np.maximum(spread, 1.4826 * np.median(np.abs(errors[known]), axis=0))
    # Without any usual error, there is nothing to compare an error with.
    away = np.abs(errors) / np.where(usual > 0, usual, np.inf)
    row, place = np.nonzero(known[:, None] & (away > DEVIATIONS))
    return _Suspects(row, targets[place], given[row, place], predicted[row, place], away[row, place])


def _predicted(rows: _Rows, labels: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Predict the held-out rows.

    Returns:
        Mean and standard deviation of the predictions of the trees, [rows, labels], and the rows that were held out.
    """
    total, squares, known = np.zeros(labels.shape), np.zeros(labels.shape), np.zeros(len(labels), dtype=bool)
    for learned, held in _held_out(rows):
        for seed in range(TREES):
            tree = ExtraTreeRegressor(max_features="sqrt", random_state=seed)
            tree.fit(rows.inputs[learned], labels[learned])
            predicted = tree.predict(rows.inputs[held]).reshape(len(held), -1)
            total[held] += predicted
            squares[held] += predicted**2
        known[held] = True
    mean = total / TREES
    return mean, np.sqrt(np.maximum(squares / TREES - mean**2, 0)), known


def _described(suspects: _Suspects, rows: _Rows, processed: ProcessedDataset, places: Places) -> list[dict[str, Any]]:
    info = processed.info
    names, is_number = _target_names(info), info.target == "number"
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
