"""Tests of the metrics of reconstructed and of generated images, and of slices by length."""

import numpy as np
import pytest

from penstock.evaluation.image_similarity import structural_similarity
from penstock.evaluation.sample_metrics import precision_and_recall
from penstock.evaluation.slices import length_slices


def test_equal_images_have_a_similarity_of_one_and_noise_lowers_it():
    generator = np.random.default_rng(0)
    images = generator.random((70, 28, 28), dtype=np.float32)  # more than one batch
    noisy = images + generator.normal(0, [[[0.1]], [[0.3]]] * 35, images.shape).astype(np.float32)
    assert structural_similarity(images, images) == pytest.approx(np.ones(70), abs=1e-5)
    found = structural_similarity(noisy, images)
    assert found[0::2].min() > found[1::2].max()


def test_the_similarity_of_small_images_is_finite():
    images = np.random.default_rng(0).random((3, 8, 8), dtype=np.float32)
    assert np.isfinite(structural_similarity(images, np.roll(images, 1, axis=0))).all()


def features(generator, rows, centre):
    return generator.normal(centre, 1, (rows, 3)).astype(np.float32)


def test_samples_of_the_same_distribution_have_high_precision_and_recall():
    generator = np.random.default_rng(0)
    found = precision_and_recall(features(generator, 400, 0), features(generator, 300, 0))
    assert min(found.values()) > 0.85


def test_samples_of_one_of_two_modes_have_precision_without_recall():
    generator = np.random.default_rng(0)
    real = np.concatenate([features(generator, 200, 0), features(generator, 200, 20)])
    found = precision_and_recall(real, features(generator, 300, 0))
    assert found["sample_precision"] > 0.85
    assert found["sample_recall"] == pytest.approx(0.5, abs=0.05)


def test_samples_far_from_all_real_ones_have_neither():
    generator = np.random.default_rng(0)
    found = precision_and_recall(features(generator, 100, 0), features(generator, 100, 50))
    assert found == {"sample_precision": 0, "sample_recall": 0}


def test_texts_are_divided_into_quarters_by_their_number_of_words():
    texts = np.array(["word " * count for count in (1, 2, 3, 4, 5, 6, 7, 8)], object)
    found = {name: np.flatnonzero(rows).tolist() for name, rows in length_slices(texts)}
    assert found == {"1 to 2 words": [0, 1], "3 to 4 words": [2, 3], "5 to 6 words": [4, 5], "7 to 8 words": [6, 7]}


def test_texts_of_equal_length_are_one_slice():
    assert [name for name, _ in length_slices(np.array(["a b", "c d", "e f"], object))] == ["2 to 2 words"]
