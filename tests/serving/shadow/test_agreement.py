"""How outputs of two models are compared."""

import numpy as np
import pytest

from penstock.serving.shadow.agreement import DIFFERENCES, compare


def numbers(*values):
    return np.array(values, np.float32)


def bucket(value):
    return [int(place == np.searchsorted(DIFFERENCES, value)) for place in range(len(DIFFERENCES) + 1)]


def test_labels_decide_where_there_are_any():
    champion = {"label": np.array([0, 1, 2]), "probabilities": numbers([0.9, 0.1], [0.4, 0.6], [0.5, 0.5])}
    challenger = {"label": np.array([0, 1, 0]), "probabilities": numbers([0.9, 0.1], [0.1, 0.9], [0.6, 0.4])}
    found = compare(champion, challenger, whole=False)
    assert (found.same, found.rows) == (2, 3)
    assert sum(found.differences) == 3
    assert found.sum_of_differences == pytest.approx(0.4)


def test_texts_must_be_equal():
    texts = [np.array(values, object) for values in (["a", "b"], ["a", "c"])]
    found = compare({"label": texts[0]}, {"label": texts[1]}, whole=False)
    assert (found.same, found.rows, sum(found.differences)) == (1, 2, 0)


def test_numbers_may_differ_by_the_tolerances():
    champion = {"image": numbers([1, 100], [1, 100], [0, 0])}
    challenger = {"image": numbers([1.0005, 100.05], [1, 100.25], [0.125, 0])}
    found = compare(champion, challenger, whole=False)
    assert (found.same, found.rows) == (1, 3)
    expected = np.sum([bucket(0.05), bucket(0.25), bucket(0.125)], axis=0)
    assert found.differences == expected.tolist()


def test_a_request_as_a_whole_is_one_row():
    found = compare({"boxes": numbers([1], [2])}, {"boxes": numbers([1], [9])}, whole=True)
    assert (found.same, found.rows) == (0, 1)
    assert found.differences == bucket(7)


def test_other_shapes_are_different():
    for whole in (False, True):
        found = compare({"boxes": numbers(1, 2)}, {"boxes": numbers(1, 2, 3)}, whole=whole)
        assert found.same == 0
        assert sum(found.differences) == 0


def test_equal_infinities_and_nan_are_no_difference():
    values = numbers([np.nan], [np.inf], [np.inf], [1])
    found = compare({"x": values}, {"x": numbers([np.nan], [np.inf], [-np.inf], [np.nan])}, whole=False)
    assert (found.same, found.rows) == (2, 4)
    assert (found.differences[0], found.differences[-1], found.sum_of_differences) == (2, 2, 0)
