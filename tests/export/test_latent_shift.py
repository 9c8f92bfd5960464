"""Tests of the optional latent shift of exported autoencoders."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from penstock.config.networks import AutoencoderConfig
from penstock.export.graph import Served, network_graph
from penstock.export.latent_shift import with_latent_shift
from penstock.models.autoencoder import Autoencoder
from tests.models.documented import DATA

SETTINGS = {"kind": "autoencoder", "hidden_sizes": [16], "latent_dim": 5, "activation": "relu", "dropout": 0.5}
OUTPUTS = ["latent", "reconstruction"]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Autoencoder(AutoencoderConfig.model_validate(SETTINGS), DATA["mnist"]).eval()


@pytest.fixture(scope="module")
def plain(network):
    return network_graph(Served(network), network.input_spec, network.outputs, recurrent=False)


@pytest.fixture(scope="module")
def session(plain):
    return onnxruntime.InferenceSession(with_latent_shift(plain).SerializeToString())


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8)


def test_latent_shift_is_an_optional_input(session):
    assert [node.name for node in session.get_inputs()] == ["pixels"]
    (optional,) = session.get_overridable_initializers()
    assert (optional.name, optional.type, optional.shape) == ("latent_shift", "tensor(float)", ["rows or 1", 5])


def test_outputs_without_a_shift_are_bit_identical(plain, session, pixels):
    before = onnxruntime.InferenceSession(plain.SerializeToString())
    for rows in (1, 9):
        given = {"pixels": pixels[:rows]}
        for one, other in zip(before.run(OUTPUTS, given), session.run(OUTPUTS, given), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("rows", [1, 9])
def test_shift_changes_the_reconstruction_but_not_the_latent_output(network, session, pixels, rows):
    shift = np.random.default_rng(1).normal(size=(rows, 5)).astype(np.float32)
    latent, reconstruction = session.run(OUTPUTS, {"pixels": pixels, "latent_shift": shift})
    with torch.inference_mode():
        expected, _ = network.predict(torch.from_numpy(pixels))
        decoded = network.decode(expected + torch.from_numpy(shift))
    assert np.allclose(latent, expected, atol=1e-5)
    assert np.allclose(reconstruction, decoded, atol=1e-5)


def test_graph_passes_the_onnx_checker(plain):
    onnx.checker.check_model(with_latent_shift(plain), full_check=True)
