"""Tests of the images and tables that a validated model has in MLflow."""

import io

import numpy as np
from PIL import Image

from penstock.reporting.figures import Examples
from penstock.reporting.run_results import run_images, run_tables

PER_CLASS = [
    {"actual": actual, "predicted": predicted, "count": count}
    for actual, predicted, count in (("cat", "cat", 7), ("cat", "dog", 1), ("dog", "cat", 2), ("dog", "dog", 9))
]
IMAGES = np.full((2, 28, 28), 255, dtype=np.uint8)
MISTAKES = {"images": IMAGES, "labels": np.array([0, 1]), "predicted": np.array([1, 0])}
ERRORS = [{"row": 3, "actual": "cat"}, {"row": 5, "actual": "dog"}]


def test_a_classifier_has_its_figures_at_the_epoch_of_its_weights():
    images = list(run_images(PER_CLASS, MISTAKES, ("cat", "dog")))
    assert [(image.key, image.step) for image in images] == [("confusion_matrix", None), ("worst_errors", None)]


def test_a_generator_has_its_samples_of_each_epoch():
    samples = {"images": IMAGES, "samples": np.zeros((3, 4, 28, 28), dtype=np.uint8)}
    images = list(run_images([{"class": "a"}], samples, ("a",)))
    assert [(image.key, image.step) for image in images] == [
        ("generated_images", None),
        ("samples", 1),
        ("samples", 2),
        ("samples", 3),
    ]


def test_the_confusion_matrix_has_a_row_for_each_actual_class():
    assert run_tables({}, PER_CLASS, {})["confusion_matrix"] == [
        {"actual": "cat", "predicted cat": 7, "predicted dog": 1},
        {"actual": "dog", "predicted cat": 2, "predicted dog": 9},
    ]


def test_worst_errors_have_their_images():
    reconstructions: Examples = {
        "worst_images": IMAGES,
        "worst_reconstructions": np.zeros((2, 28, 28), dtype=np.float32),
        "images": IMAGES,
    }
    table = run_tables({"worst_errors": ERRORS}, [{"class": "cat"}], reconstructions)["worst_errors"]
    assert [row["row"] for row in table] == [3, 5]
    for column, colour in (("image", 0), ("reconstruction", 255)):  # black on white
        with Image.open(io.BytesIO(table[0][column])) as image:
            assert image.getpixel((0, 0)) == colour
