"""Labels that models, learned from other rows, contradict.

Classes and labels: a share of at least `CONFIDENCE` of the votes is against the given one, and half of them are for
another one; the votes of a linear model are its probabilities. A rare class has few votes, even for rows of its own.
Therefore the share must also be reached when each class counts the same, whatever its number of rows.

Numbers: the error is more than `DEVIATIONS` times the usual one, which is the larger of the robust standard deviation
of all errors (1.4826 times the median absolute deviation) and the uncertainty of the prediction.

Votes are counted twice: models that learned wrong labels vote with less confidence, so those of the second pass do not
learn the labels that are contradicted in the first one, by a share of `DOUBT`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.data.preprocessing.findings.learners import TREES, Learner, Linear, Trees
from penstock.data.preprocessing.findings.sample import Sample
from penstock.io.dataset_info import DatasetInfo

DOUBT, CONFIDENCE = 0.65, 0.9
"""Shares of the votes against a label: from which it is not learned in the second pass; from which it is suspect."""
DEVIATIONS = 5.0


@dataclass(frozen=True)
class Suspects:
    """Suspect labels, the most suspect ones first."""

    rows: NDArray[np.int64]
    """Index into the sample."""
    targets: NDArray[np.int64]
    """Column of the labels; 0 if the target is a class."""
    given: NDArray[Any]
    """Class, 0 or 1, or number."""
    suggested: NDArray[Any]
    """What the models predict."""
    certainty: NDArray[np.float64]
    """Share of the votes against the given label, or the error in usual ones."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: NDArray[Any] | slice) -> Suspects:
        return Suspects(
            self.rows[which],
            self.targets[which],
            self.given[which],
            self.suggested[which],
            self.certainty[which],
        )


def label_suspects(sample: Sample, targets: Sequence[int], info: DatasetInfo) -> Suspects:
    """Return the suspect labels of the sample.

    Args:
        sample: The rows that can be learned.
        targets: The targets that can be learned, columns of the labels.
        info: The dataset.
    """
    if not targets:
        nothing = np.empty(0, dtype=np.int64)
        return Suspects(nothing, nothing, nothing, nothing, nothing.astype(np.float64))
    learner: Learner = Linear() if info.kind == "text" else Trees()
    match info.target:
        case "class":
            found = _suspect_classes(sample, learner, len(info.classes))
        case "labels":
            found = _suspect_labels(sample, learner, np.asarray(targets))
        case "number":
            found = _suspect_numbers(sample, learner, np.asarray(targets))
    return found[np.argsort(-found.certainty, kind="stable")]


def _suspect_classes(sample: Sample, learner: Learner, classes: int) -> Suspects:
    first = _class_votes(sample, learner, classes, np.ones(len(sample), dtype=bool))
    votes = _class_votes(sample, learner, classes, ~first.contradict(DOUBT))
    suspect = np.flatnonzero(votes.contradict(CONFIDENCE))
    nothing = np.zeros(len(suspect), dtype=np.int64)
    suggested = votes.shares[suspect].argmax(axis=1)
    return Suspects(suspect, nothing, sample.labels[suspect], suggested, votes.against[suspect])


@dataclass(frozen=True)
class _ClassVotes:
    shares: NDArray[np.float64]
    """Shares of the votes, [rows, classes]."""
    against: NDArray[np.float64]
    """Share against the given class, [rows]."""
    known: NDArray[np.bool_]
    """Whether the models have seen any row of the class, [rows]."""

    def contradict(self, share: float) -> NDArray[np.bool_]:
        """Return whether at least this share of the votes is against the given class, and half are for another one."""
        is_other: NDArray[np.bool_] = self.shares.max(axis=1) >= 0.5
        return self.known & (self.against >= share) & is_other


def _few_votes(share: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    """Return what is added to the votes for a class of this share of the rows, if it is rare.

    No vote of 50 says little against a class that has few votes even for rows of its own.
    """
    return np.maximum(1 - share * classes, 0) / TREES


def _class_votes(sample: Sample, learner: Learner, classes: int, trusted: NDArray[np.bool_]) -> _ClassVotes:
    """Return the votes of models that learned from the trusted rows of other folds."""
    shares, even = np.zeros((2, len(sample), classes))
    known = np.zeros(len(sample), dtype=bool)
    for others, held in sample.held_out():
        learned = others[trusted[others]]
        if not len(learned):
            continue
        present, rows = np.unique(sample.labels[learned], return_counts=True)
        found = learner.classes(sample.features[learned], sample.labels[learned], sample.features[held])
        shares[np.ix_(held, present)] = found
        weighted = (found + _few_votes(rows / len(learned), len(present))) / rows
        even[np.ix_(held, present)] = weighted / weighted.sum(axis=1, keepdims=True)
        known[held] = np.isin(sample.labels[held], present)
    of_given = np.maximum(shares, even)[np.arange(len(sample)), sample.labels]
    return _ClassVotes(shares, 1 - of_given, known)


def _suspect_labels(sample: Sample, learner: Learner, targets: NDArray[np.int64]) -> Suspects:
    given = sample.labels[:, targets]
    first = _against_labels(sample, learner, given, given)
    # A row with one doubtful label has others to learn from.
    against = _against_labels(sample, learner, given, np.where(first < DOUBT, given, 1 - given))
    row, place = np.nonzero(against >= CONFIDENCE)
    label = given[row, place].astype(np.int64)
    return Suspects(row, targets[place], label, 1 - label, against[row, place])


def _against_labels(sample: Sample, learner: Learner, given: NDArray[Any], taught: NDArray[Any]) -> NDArray[np.float64]:
    """Return the share of the votes against each given label, [rows, labels].

    `taught` are the labels that the models learn, [rows, labels].
    """
    against = np.zeros(given.shape)
    for learned, held in sample.held_out():
        votes = learner.labels(sample.features[learned], taught[learned], sample.features[held])
        with_it = taught[learned].mean(axis=0, dtype=np.float64)
        weighted = (votes + _few_votes(with_it, 2)) * (1 - with_it)
        others = (1 - votes + _few_votes(1 - with_it, 2)) * with_it
        even = np.divide(weighted, weighted + others, out=votes.copy(), where=weighted + others > 0)
        against[held] = np.minimum(np.abs(given[held] - votes), np.abs(given[held] - even))
    return against


def _suspect_numbers(sample: Sample, learner: Learner, targets: NDArray[np.int64]) -> Suspects:
    given = sample.labels[:, targets].astype(np.float64)
    mean, scale = given.mean(axis=0), given.std(axis=0)
    predicted, spread = _predicted(sample, learner, (given - mean) / scale)
    predicted, spread = predicted * scale + mean, spread * scale
    errors = given - predicted
    errors -= np.median(errors, axis=0)
    usual = np.maximum(spread, 1.4826 * np.median(np.abs(errors), axis=0))
    # Without any usual error, there is nothing to compare an error with.
    away = np.abs(errors) / np.where(usual > 0, usual, np.inf)
    row, place = np.nonzero(away > DEVIATIONS)
    return Suspects(row, targets[place], given[row, place], predicted[row, place], away[row, place])


def _predicted(
    sample: Sample, learner: Learner, numbers: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return predictions and their uncertainty, both [rows, numbers]."""
    predicted, spread = np.zeros((2, *numbers.shape))
    for learned, held in sample.held_out():
        found = learner.numbers(sample.features[learned], numbers[learned], sample.features[held])
        predicted[held], spread[held] = found
    return predicted, spread
