"""Inputs of a loaded model, without a protocol."""

import numpy as np
import pytest

from penstock.serving.errors import InputError
from penstock.serving.runtime.model import load_model

PIXELS = np.zeros((3, 28, 28), dtype=np.uint8)


@pytest.fixture(scope="module")
def autoencoder(small_run):
    folder = small_run.root / "models/mnist_autoencoder"
    return load_model("mnist_autoencoder", folder / "model.onnx", folder / "validation.json")


@pytest.mark.parametrize("rows", [1, 3])
def test_optional_inputs_have_one_row_or_one_per_row(autoencoder, rows):
    given = {"pixels": PIXELS, "latent_shift": np.ones((rows, 32), dtype=np.float32)}
    assert autoencoder.rows(given) == 3
    moved, still = autoencoder.run(given), autoencoder.run({"pixels": PIXELS})
    assert np.array_equal(moved["latent"], still["latent"])
    assert not np.array_equal(moved["reconstruction"], still["reconstruction"])


@pytest.mark.parametrize("shape", [(2, 32), (3, 31), (32,), (0, 32)])
def test_optional_inputs_of_a_wrong_shape_are_rejected(autoencoder, shape):
    with pytest.raises(InputError, match=r"latent_shift: expected FP32 of shape \[-1, 32\]"):
        autoencoder.rows({"pixels": PIXELS, "latent_shift": np.ones(shape, dtype=np.float32)})
