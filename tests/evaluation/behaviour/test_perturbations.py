"""Tests of what each kind of behaviour test changes, and of what it leaves alone."""

import numpy as np
import pytest

from penstock.config.behaviour import (
    CaseTestConfig,
    InversionTestConfig,
    NameSwapTestConfig,
    NegationTestConfig,
    NoiseTestConfig,
    OutOfRangeTestConfig,
    RotationTestConfig,
    SentenceTestConfig,
    ShiftTestConfig,
    TyposTestConfig,
)
from penstock.evaluation.behaviour.images import perturbed_images
from penstock.evaluation.behaviour.tables import perturbed_numbers
from penstock.evaluation.behaviour.texts import perturbed_text


@pytest.fixture
def generator():
    return np.random.default_rng(0)


@pytest.fixture
def dots():
    """64 images with one bright pixel in the middle."""
    images = np.zeros((64, 9, 9), np.uint8)
    images[:, 4, 4] = 200
    return images


def places(images):
    return {(int(y) - 4, int(x) - 4) for _, y, x in np.argwhere(images)}


def test_a_shift_goes_in_all_eight_directions_and_loses_nothing_inside(dots, generator):
    moved = perturbed_images(ShiftTestConfig(kind="shift", pixels=3), dots, generator)
    assert places(moved) == {(y, x) for y in (-3, 0, 3) for x in (-3, 0, 3)} - {(0, 0)}
    assert (moved.sum(axis=(1, 2)) == 200).all()


@pytest.mark.parametrize("pixels", [5, 9, 40])
def test_a_shift_beyond_the_edge_leaves_the_background(dots, generator, pixels):
    moved = perturbed_images(ShiftTestConfig(kind="shift", pixels=pixels), dots, generator)
    assert not moved.any()


@pytest.mark.parametrize("shape", [(9, 9), (9, 15)])
def test_a_rotation_by_a_right_angle_turns_to_both_sides(shape, generator):
    height, width = shape
    images = np.zeros((32, height, width), np.uint8)
    images[:, 4, width // 2 + 3] = 200
    turned = perturbed_images(RotationTestConfig(kind="rotation", degrees=90), images, generator)
    assert {(int(y) - 4, int(x) - width // 2) for _, y, x in np.argwhere(turned > 190)} == {(-3, 0), (3, 0)}


def test_noise_has_its_standard_deviation_and_stays_a_pixel(generator):
    grey = np.full((20, 28, 28), 128, np.uint8)
    noisy = perturbed_images(NoiseTestConfig(kind="noise", std=20.0), grey, generator)
    assert noisy.dtype == np.uint8
    assert noisy.std() == pytest.approx(20, rel=0.05)
    assert (perturbed_images(NoiseTestConfig(kind="noise", std=500.0), grey, generator) == 255).any()


def test_an_inversion_turns_black_into_white(dots, generator):
    inverted = perturbed_images(InversionTestConfig(kind="inversion"), dots, generator)
    assert (inverted[0, 4, 4], inverted[0, 0, 0]) == (55, 255)


@pytest.mark.parametrize(
    "test",
    [
        ShiftTestConfig(kind="shift", pixels=3),
        RotationTestConfig(kind="rotation", degrees=30),
        InversionTestConfig(kind="inversion"),
    ],
)
def test_colours_of_an_image_change_as_grey_images_do(test):
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 12, 3), np.uint8)
    coloured = perturbed_images(test, images, np.random.default_rng(1))
    for colour in range(3):
        grey = perturbed_images(test, images[..., colour], np.random.default_rng(1))
        np.testing.assert_array_equal(coloured[..., colour], grey)


def test_noise_of_colours_differs_between_them(generator):
    grey = np.full((20, 9, 9, 3), 128, np.uint8)
    noisy = perturbed_images(NoiseTestConfig(kind="noise", std=20.0), grey, generator)
    assert noisy.shape == grey.shape
    assert (noisy[..., 0] != noisy[..., 1]).any()


def test_numbers_out_of_range_have_both_signs(generator):
    changed = perturbed_numbers(
        OutOfRangeTestConfig(kind="out_of_range", factor=10.0), np.ones((50, 4), np.float32), generator
    )
    assert changed.dtype == np.float32
    assert set(changed.ravel().tolist()) == {-10, 10}


def test_noise_of_numbers_has_their_unit(generator):
    changed = perturbed_numbers(NoiseTestConfig(kind="noise", std=0.1), np.ones((500, 4), np.float32), generator)
    assert changed.std() == pytest.approx(0.1, rel=0.1)


def test_typos_swap_inner_letters_of_long_words_only(generator):
    text = "a bad film, beautiful and sad"
    changed = perturbed_text(TyposTestConfig(kind="typos", share=0.999), text, "negative", generator)
    pairs = list(zip(text.split(), changed.split(), strict=True))
    assert {one for one, other in pairs if one != other} == {"film,", "beautiful"}
    assert all(sorted(one) == sorted(other) and one[0] == other[0] for one, other in pairs)


def test_case_changes_all_letters(generator):
    assert perturbed_text(CaseTestConfig(kind="case", to="upper"), "It is Good", "", generator) == "IT IS GOOD"
    assert perturbed_text(CaseTestConfig(kind="case", to="lower"), "It is Good", "", generator) == "it is good"


def test_names_are_exchanged_and_a_person_keeps_one_name(generator):
    names = NameSwapTestConfig(kind="name_swap", names=("Anna", "Tom", "Mary"))
    changed = perturbed_text(names, "Anna met Tom. Annapolis bored Anna", "", generator).split()
    assert changed[0] == changed[-1]
    assert {changed[0], changed[2].strip(".")} < {"Anna", "Tom", "Mary"}
    assert (changed[0], changed[3]) != ("Anna", "Annapolis")
    assert changed[3] == "Annapolis"
    assert perturbed_text(names, "nobody", "", generator) == "nobody"


NEGATION = NegationTestConfig(
    kind="negation", last_words=6, opinions={"positive": ("good", "great"), "negative": ("bad",)}
)


@pytest.mark.parametrize(
    ("label", "text", "changed"),
    [
        ("positive", "The film is good.", "The film is not good."),
        ("positive", "It was a really GREAT film.", "It was not a really GREAT film."),
        ("negative", "It's bad, he was good", "It's not bad, he was good"),
        ("positive", "It is good at first, in the long run it bores", "It is good at first, in the long run it bores"),
        ("neutral", "The film is good.", "The film is good."),
        ("positive", "The goodness is goodish", "The goodness is goodish"),
    ],
)
def test_negation_applies_to_words_for_the_true_class_near_the_end(generator, label, text, changed):
    assert perturbed_text(NEGATION, text, label, generator) == changed


def test_a_sentence_is_appended(generator):
    sentence = SentenceTestConfig(kind="sentence", sentences=("It rained.",))
    assert perturbed_text(sentence, "Good film.", "positive", generator) == "Good film. It rained."
