"""Labels that models, learned from other rows, contradict.

Classes and labels: a share of at least `CONFIDENCE` of the votes is against the given one, and half of them are for
another one; the votes of a linear model are its probabilities. Numbers: the error is more than `DEVIATIONS` times the
usual one, which is the larger of the robust standard deviation of all errors (1.4826 times the median absolute
deviation) and the uncertainty of the prediction.

Votes are counted twice: models that learned wrong labels vote with less confidence, so those of the second pass do not
learn the labels that most votes of the first one (a share of `DOUBT`) are against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.data.preprocessing.findings.learners import Learner, Linear, Trees
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
    votes, _ = _class_votes(sample, learner, classes, np.ones(len(sample), dtype=bool))
    votes, known = _class_votes(sample, learner, classes, _against_class(votes, sample) < DOUBT)
    against = _against_class(votes, sample)
    suspect = np.flatnonzero(known & (against >= CONFIDENCE) & (votes.max(axis=1) >= 0.5))
    nothing = np.zeros(len(suspect), dtype=np.int64)
    return Suspects(suspect, nothing, sample.labels[suspect], votes[suspect].argmax(axis=1), against[suspect])


def _against_class(votes: NDArray[np.float64], sample: Sample) -> NDArray[np.float64]:
    return 1 - np.take_along_axis(votes, sample.labels[:, None], axis=1)[:, 0]


def _class_votes(
    sample: Sample, learner: Learner, classes: int, trusted: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the shares of the votes, [rows, classes], of models that learned from the trusted rows of other folds.

    Also returned are the rows, [rows], of whose class the models have seen any.
    """
    votes = np.zeros((len(sample), classes))
    known = np.zeros(len(sample), dtype=bool)
    for others, held in sample.held_out():
        learned = others[trusted[others]]
        if not len(learned):  # every label is contradicted: noise, or too few rows of many classes
            continue
        present = np.unique(sample.labels[learned])
        shares = learner.classes(sample.features[learned], sample.labels[learned], sample.features[held])
        votes[np.ix_(held, present)] = shares
        known[held] = np.isin(sample.labels[held], present)
    return votes, known


def _suspect_labels(sample: Sample, learner: Learner, targets: NDArray[np.int64]) -> Suspects:
    given = sample.labels[:, targets]
    first, _ = _label_votes(sample, learner, given)
    # A row with one doubtful label has others to learn from.
    votes, known = _label_votes(sample, learner, np.where(np.abs(given - first) < DOUBT, given, 1 - given))
    against = np.abs(given - votes)
    row, place = np.nonzero(known[:, None] & (against >= CONFIDENCE))
    label = given[row, place].astype(np.int64)
    return Suspects(row, targets[place], label, 1 - label, against[row, place])


def _label_votes(
    sample: Sample, learner: Learner, labels: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the shares of the votes for each label, [rows, labels], and the rows, [rows], that were held out."""
    votes, known = np.zeros(labels.shape), np.zeros(len(labels), dtype=bool)
    for learned, held in sample.held_out():
        votes[held] = learner.labels(sample.features[learned], labels[learned], sample.features[held])
        known[held] = True
    return votes, known


def _suspect_numbers(sample: Sample, learner: Learner, targets: NDArray[np.int64]) -> Suspects:
    given = sample.labels[:, targets].astype(np.float64)
    mean, scale = given.mean(axis=0), given.std(axis=0)
    predicted, spread, known = _predicted(sample, learner, (given - mean) / scale)
    predicted, spread = predicted * scale + mean, spread * scale
    errors = given - predicted
    errors -= np.median(errors[known], axis=0)
    usual = np.maximum(spread, 1.4826 * np.median(np.abs(errors[known]), axis=0))
    # Without any usual error, there is nothing to compare an error with.
    away = np.abs(errors) / np.where(usual > 0, usual, np.inf)
    row, place = np.nonzero(known[:, None] & (away > DEVIATIONS))
    return Suspects(row, targets[place], given[row, place], predicted[row, place], away[row, place])


def _predicted(
    sample: Sample, learner: Learner, numbers: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return predictions and their uncertainty, [rows, numbers], and the rows, [rows], that were held out."""
    predicted, spread = np.zeros((2, *numbers.shape))
    known = np.zeros(len(numbers), dtype=bool)
    for learned, held in sample.held_out():
        found = learner.numbers(sample.features[learned], numbers[learned], sample.features[held])
        predicted[held], spread[held] = found
        known[held] = True
    return predicted, spread, known
