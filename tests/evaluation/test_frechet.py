"""Tests of the Frechet distance of two normal distributions."""

import numpy as np
import pytest

from penstock.evaluation.frechet import Statistics, frechet_distance


def normal(mean, deviation):
    return Statistics(np.array(mean, dtype=float), np.diag(np.square(deviation)).astype(float))


def test_distance_to_itself_is_zero():
    features = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
    one = Statistics.of(features)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


def test_distance_of_diagonal_covariances_matches_the_closed_form():
    distance = frechet_distance(normal([0, 0], [1, 2]), normal([3, 4], [2, 5]))
    assert distance == pytest.approx(25 + 1 + 9)


def test_distance_is_symmetric():
    generator = np.random.default_rng(0)
    one, other = (Statistics.of(generator.normal(size=(40, 5)).astype(np.float32)) for _ in range(2))
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one))


def test_constant_features_give_a_finite_distance():
    features = np.zeros((20, 3), dtype=np.float32)
    features[:, 0] = np.arange(20)
    assert np.isfinite(frechet_distance(Statistics.of(features), normal([0, 0, 0], [1, 0, 1])))


def test_saved_statistics_load_unchanged(tmp_path):
    one = Statistics.of(np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32))
    one.save(tmp_path)
    assert frechet_distance(one, Statistics.load(tmp_path)) == pytest.approx(0, abs=1e-9)
