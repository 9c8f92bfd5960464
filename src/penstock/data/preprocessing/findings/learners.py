"""The simple models that labels are compared with: of tables and images, trees; of texts, linear models.

Trees: extremely randomized trees (Geurts et al. 2006) on the columns or pixels. Linear models: logistic and ridge
regression on TF-IDF with 1 + log(count).
"""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import ExtraTreeClassifier, ExtraTreeRegressor

TREES = 50
FEW_COLUMNS = 3
"""Columns that vary, on which trees do not split fewer than 20 rows."""
MOST_WEIGHTS = 500_000
"""Classes times words of a logistic regression, which needs 240 bytes for each; of more words, the most frequent."""

Shares = NDArray[np.float64]
"""[held rows, classes or labels], 0 to 1."""


class Learner(Protocol):
    """What is learned from some rows, and then predicted for others, which are held out.

    Args of each method:
        known: Features of the rows to learn from, [rows, features].
        given: Their labels.
        held: Features of the held-out rows.
    """

    def classes(self, known: Any, given: NDArray[np.int64], held: Any) -> Shares:  # noqa: ANN401
        """Return the share of votes for each class that is given, in ascending order."""

    def labels(self, known: Any, given: NDArray[Any], held: Any) -> Shares:  # noqa: ANN401
        """Return the share of votes for each label, of 0 and 1, [rows, labels]."""

    def numbers(self, known: Any, given: NDArray[Any], held: Any) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ANN401
        """Return the predicted numbers and how uncertain each is, both [held rows, numbers]."""


class Trees:
    """One tree at a time: a whole forest takes gigabytes where the labels are noise."""

    def classes(self, known: Any, given: NDArray[np.int64], held: Any) -> Shares:  # noqa: ANN401
        """As `Learner.classes`."""
        known, held, fewest = _singles(known), _singles(held), _fewest_to_split(known)
        shares = np.zeros((len(held), len(np.unique(given))), dtype=np.float32)
        for seed in range(TREES):
            tree = ExtraTreeClassifier(max_features="sqrt", min_samples_split=fewest, random_state=seed)
            shares += tree.fit(known, given).predict_proba(held) / TREES
        return shares.astype(np.float64)

    def labels(self, known: Any, given: NDArray[Any], held: Any) -> Shares:  # noqa: ANN401
        """As `Learner.labels`."""
        return self.numbers(known, given, held)[0]

    def numbers(self, known: Any, given: NDArray[Any], held: Any) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ANN401
        """As `Learner.numbers`: mean and standard deviation of the trees."""
        known, held, fewest = _singles(known), _singles(held), _fewest_to_split(known)
        total, squares = np.zeros((2, len(held), given.shape[1]))
        for seed in range(TREES):
            tree = ExtraTreeRegressor(max_features="sqrt", min_samples_split=fewest, random_state=seed)
            predicted = tree.fit(known, given).predict(held).reshape(len(held), -1)
            total += predicted
            squares += predicted**2
        mean = total / TREES
        return mean, np.sqrt(np.maximum(squares / TREES - mean**2, 0))


def _fewest_to_split(known: NDArray[Any]) -> int:
    # On few features, all trees divide the rows alike if nothing stops them, and repeat the label of a nearby row: of
    # labels that are noise, 18 % (two classes) to 68 % (ten) were suspect, with 20 rows 0 to 5 %.
    return 20 if (known != known[0]).any(axis=0).sum() <= FEW_COLUMNS else 2


def _singles(features: NDArray[Any]) -> NDArray[np.float32]:
    """Return what every tree would convert its features to."""
    return np.asarray(features, dtype=np.float32)


class Linear:
    """Linear models on counts of words."""

    def classes(self, known: Any, given: NDArray[np.int64], held: Any) -> Shares:  # noqa: ANN401
        """As `Learner.classes`."""
        classes = len(np.unique(given))
        if classes == 1:
            return np.ones((held.shape[0], 1))
        words = MOST_WEIGHTS // classes  # the ids are in the order of frequency
        weighted, others = _weighted(known[:, :words], held[:, :words])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=10, tol=1e-3, max_iter=200).fit(weighted, given)
        shares: Shares = model.predict_proba(others)
        return shares

    def labels(self, known: Any, given: NDArray[Any], held: Any) -> Shares:  # noqa: ANN401
        """As `Learner.labels`."""
        return np.stack([self._label(known, label.astype(np.int64), held) for label in given.T], axis=1)

    def _label(self, known: Any, given: NDArray[np.int64], held: Any) -> NDArray[np.float64]:  # noqa: ANN401
        if given.min() == given.max():
            return np.full(held.shape[0], float(given[0]))
        return self.classes(known, given, held)[:, 1]

    def numbers(self, known: Any, given: NDArray[Any], held: Any) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ANN401
        """As `Learner.numbers`; a linear model does not say how uncertain it is."""
        weighted, others = _weighted(known, held)
        predicted = Ridge().fit(weighted, given).predict(others).reshape(others.shape[0], -1)
        return predicted, np.zeros_like(predicted)


def _weighted(known: Any, held: Any) -> tuple[Any, Any]:  # noqa: ANN401
    weights = TfidfTransformer(sublinear_tf=True).fit(known)
    return weights.transform(known), weights.transform(held)
