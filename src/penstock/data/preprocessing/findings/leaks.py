"""Columns, words and pixels that alone predict the target.

A column of a table is a suspect if a decision tree on it, cross-validated, reaches `LEAK_SCORE`. The score of classes
and labels is the balanced accuracy (the mean share of correct rows over the classes; a constant answer has 0.5 or
less), that of numbers is R².

A word or a pixel is a suspect if it tells one class, or a label, from all others. The score is the balanced accuracy of
"the text has the word", or of a cross-validated tree on the pixel. Trees are fitted to the `MOST_TRIED` most promising
pixels of each class only, and only the `MOST_NAMED` best words or pixels of each class are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from penstock.data.preprocessing.findings.features import pixel_name
from penstock.data.preprocessing.findings.sample import Sample, target_names
from penstock.io.dataset_info import FIRST_WORD, DatasetInfo
from penstock.io.processed_dataset import ProcessedDataset

LEAK_SCORE = 0.99
SHADES = 32
PROMISING = 0.9
"""Steps of brightness by which the most promising pixels are chosen, and how promising a pixel must be to be tried."""
MOST_TRIED, MOST_NAMED = 20, 3
"""Words or pixels of a class."""


def leak_suspects(
    sample: Sample, targets: Sequence[int], processed: ProcessedDataset, columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Return `input`, `target` and `score` of each suspect.

    Args:
        sample: The rows that can be learned.
        targets: The targets that can be learned, columns of the labels.
        processed: The dataset.
        columns: Names of the columns of a table.
    """
    info = processed.info
    match info.kind:
        case "text":
            found = _words(sample, targets, processed)
        case "image":
            found = _pixels(sample, targets, info)
        case _:
            found = _columns(sample, targets, info, columns)
    return [{"input": name, "target": target, "score": round(score, 4)} for name, target, score in found]


def _columns(
    sample: Sample, targets: Sequence[int], info: DatasetInfo, columns: Sequence[str]
) -> Iterator[tuple[str, str, float]]:
    for target in targets:
        labels = sample.labels if info.target == "class" else sample.labels[:, target]
        labels = _standardized(labels) if info.target == "number" else labels
        for place, name in enumerate(columns):
            score = _score_alone(sample, sample.features[:, [place]], labels, is_number=info.target == "number")
            if score >= LEAK_SCORE:
                yield name, target_names(info)[target], score


def _standardized(numbers: NDArray[Any]) -> NDArray[np.float64]:
    # A tree does not split numbers of a variance below 2e-16, and squares of float32 below 1e-23 are 0.
    doubles = numbers.astype(np.float64)
    standardized: NDArray[np.float64] = (doubles - doubles.mean()) / doubles.std()
    return standardized


def _words(sample: Sample, targets: Sequence[int], processed: ProcessedDataset) -> Iterator[tuple[str, str, float]]:
    is_class, names = _memberships(sample, targets, processed.info)
    if not names:
        return
    of_class, words = is_class.sum(axis=0), processed.vocabulary()
    has_word = (sample.features > 0).astype(np.float64)
    with_word = np.asarray(has_word.sum(axis=0)).ravel()
    # A word that tells a class from the others is in nearly all rows of the one, or of the others.
    often = np.flatnonzero(with_word >= 0.9 * min(of_class.min(), (len(sample) - of_class).min()))
    within = (has_word[:, often].T @ scipy.sparse.csr_matrix(is_class)).toarray() / of_class
    without = (with_word[often, None] - within * of_class) / (len(sample) - of_class)
    scores = (1 + np.abs(within - without)) / 2
    for place, name in enumerate(names):
        for best in np.argsort(-scores[:, place], kind="stable")[:MOST_NAMED]:
            if scores[best, place] >= LEAK_SCORE:
                yield f"word '{words[often[best] - FIRST_WORD]}'", name, float(scores[best, place])


def _pixels(sample: Sample, targets: Sequence[int], info: DatasetInfo) -> Iterator[tuple[str, str, float]]:
    is_class, names = _memberships(sample, targets, info)
    if not names:
        return
    promise = _promise(sample.features, is_class)
    for place, name in enumerate(names):
        labels, found = is_class[:, place].astype(np.int64), []
        for pixel in np.argsort(-promise[:, place], kind="stable")[:MOST_TRIED]:
            if promise[pixel, place] < PROMISING:
                break
            score = _score_alone(sample, sample.features[:, [pixel]], labels, is_number=False)
            if score >= LEAK_SCORE:
                found.append((pixel_name(int(pixel), info.shape), name, score))
            if [one[2] for one in found].count(1) == MOST_NAMED:  # no other is better
                break
        yield from sorted(found, key=lambda one: -one[2])[:MOST_NAMED]


def _memberships(sample: Sample, targets: Sequence[int], info: DatasetInfo) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which rows are of each class, or have each label, [rows, classes], and the names; none for numbers."""
    if info.target == "number" or not targets:
        return np.empty((len(sample), 0), dtype=bool), []
    if info.target == "labels":
        return sample.labels[:, targets] > 0, [info.classes[target] for target in targets]
    present = np.unique(sample.labels)
    present = present[1:] if len(present) == 2 else present  # what tells one of two classes tells the other
    return sample.labels[:, None] == present, [info.classes[one] for one in present]


def _promise(pixels: NDArray[np.uint8], is_class: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how well the shades of a pixel tell a class from the rest, [pixels, classes].

    It is the balanced accuracy of the best answer for each shade, with the borders between shades at two places, so
    that a small difference is not lost within one shade.
    """
    members = scipy.sparse.csr_matrix(is_class, dtype=np.float64)
    width = 256 // SHADES
    shifted = [(pixels + np.uint16(shift)) // width for shift in (0, width // 2)]
    return np.maximum(*(_separation(shades, members) for shades in shifted))


def _separation(shades: NDArray[np.uint16], members: Any) -> NDArray[np.float64]:  # noqa: ANN401
    rows = len(shades)
    of_class = np.asarray(members.sum(axis=0))
    found = np.zeros((shades.shape[1], members.shape[1]))
    for number, pixel in enumerate(shades.T):
        has_shade = scipy.sparse.csr_matrix((np.ones(rows), (pixel, np.arange(rows))), (SHADES + 1, rows))
        of_shade, within = np.asarray(has_shade.sum(axis=1)), (has_shade @ members).toarray()
        found[number] = np.maximum(within / of_class, (of_shade - within) / (rows - of_class)).sum(axis=0) / 2
    return found


def _score_alone(sample: Sample, column: NDArray[Any], labels: NDArray[Any], *, is_number: bool) -> float:
    """Return the cross-validated score of a tree on one column [rows, 1]; 0 if that of the first fold is low."""
    score = _r2 if is_number else _balanced_accuracy
    predicted = np.zeros(len(sample), dtype=labels.dtype)
    for number, (learned, held) in enumerate(sample.held_out()):
        tree = (DecisionTreeRegressor if is_number else DecisionTreeClassifier)(random_state=0)
        predicted[held] = tree.fit(column[learned], labels[learned]).predict(column[held])
        if number == 0 and score(labels[held], predicted[held]) < LEAK_SCORE - 0.1:
            return 0.0
    return score(labels, predicted)


def _balanced_accuracy(labels: NDArray[Any], predicted: NDArray[Any]) -> float:
    return float(np.mean([np.mean(predicted[labels == one] == one) for one in np.unique(labels)]))


def _r2(labels: NDArray[Any], predicted: NDArray[Any]) -> float:
    total = float(np.var(labels, dtype=np.float64))
    return 1 - float(np.mean((labels - predicted) ** 2, dtype=np.float64)) / total if total else 0.0
