"""Tests of the figures."""

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from penstock.reporting.figures import all_learning_curves, animation, evaluation_figures, grid, learning_curves

HISTORY = [
    {"epoch": 1.0, "train/loss": 2.0, "val/loss": 1.5, "val/accuracy": 0.5, "learning_rate": 0.1},
    {"epoch": 2.0, "train/loss": 1.0, "val/loss": 1.6, "val/accuracy": 0.6, "learning_rate": 0.1},
]


def test_learning_curves_plot_every_metric_and_mark_the_best_epoch():
    figure = learning_curves("model", HISTORY)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    (marked,) = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert np.asarray(marked.get_xydata()).tolist() == [[1.0, 0.5]]


def test_all_learning_curves_have_one_panel_per_dataset():
    figure = all_learning_curves({"iris_mlp": HISTORY, "mnist_cnn": HISTORY, "mnist_lstm": HISTORY})
    assert [axes.get_title() for axes in figure.axes] == ["iris", "mnist"]
    assert [len(axes.lines) for axes in figure.axes] == [1, 2]


def test_grid_has_one_cell_per_image():
    figure = grid(np.zeros((5, 4, 4)), columns=3)
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 1, 1, 0]


def test_animation_has_one_frame_per_epoch_and_pauses_on_the_last():
    frames = np.zeros((3, 4, 2, 2), dtype=np.uint8)
    frames[2, 3] = 255  # the last image of the last epoch: below, right
    with Image.open(io.BytesIO(animation(frames, scale=1))) as film:
        pages = [(page.convert("L").copy(), page.info["duration"]) for page in ImageSequence.Iterator(film)]
    assert [duration for _, duration in pages][-1] > 1000
    last = np.asarray(pages[-1][0])
    assert last.shape == (4, 4)
    assert last[:2].min() == 255
    assert last[2:, 2:].max() == 0


@pytest.mark.parametrize(
    ("examples", "names"),
    [
        ({"rows": np.zeros(0)}, set()),
        ({"images": np.zeros((2, 4, 4), np.uint8), "reconstructions": np.zeros((2, 4, 4))}, {"reconstructions.png"}),
        (
            {"images": np.zeros((1, 4, 4), np.uint8), "samples": np.zeros((2, 4, 4, 4), np.uint8)},
            {"samples.png", "samples_per_epoch.gif"},
        ),
        (
            {"images": np.zeros((1, 4, 4), np.uint8), "labels": np.array([0]), "predicted": np.array([1])},
            {"mistakes.png"},
        ),
    ],
)
def test_evaluation_figures_depend_on_the_examples(examples, names):
    assert evaluation_figures([{"class": "a"}], examples, ("a", "b")).keys() == names
