"""Networks of colour images: files take uint8 [rows, height, width, 3], and the server takes pictures."""

import hashlib
import io
import json
import urllib.request
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from penstock.core.errors import WrongSettingError
from penstock.evaluation.parity import agreement, max_abs_diff, network_outputs
from penstock.evaluation.session import onnx_outputs, open_session
from penstock.export.graph import export
from penstock.export.quantize import write_int8
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.provenance import Provenance
from penstock.models.common.build import build_network
from tests.models.documented import DATA
from tests.serving.server_process import serving

COLOURED = replace(DATA["mnist"], dataset="pictures", shape=(20, 28, 3))
PICTURES = np.random.default_rng(0).integers(0, 256, (300, 20, 28, 3), np.uint8)


def model_of(config, network):
    model = config.model("mnist_cnn")
    return model.model_copy(update={"network": network})


@pytest.fixture(scope="module", params=["mnist_cnn", "iris_mlp"])
def exported(request, config, tmp_path_factory):
    """A convolutional network and a multilayer perceptron, and the exported file."""
    folder = tmp_path_factory.mktemp(request.param)
    COLOURED.save(folder)
    model = model_of(config, config.model(request.param).network)
    torch.manual_seed(0)
    network = build_network(model, COLOURED).eval()
    path = folder / "models" / "pictures" / "model.onnx"
    path.parent.mkdir(parents=True)
    export("pictures", model, network, ProcessedDataset(folder), Provenance("pictures", "d", "p", "c"), path)
    return network, path


def test_the_file_takes_rgb_and_answers_as_the_network(exported):
    network, path = exported
    session = open_session(path)
    (pixels,) = session.get_inputs()
    assert (pixels.name, pixels.type, pixels.shape) == ("pixels", "tensor(uint8)", ["batch", 20, 28, 3])
    trained = network_outputs(network, PICTURES)
    for batch_size in (1, 3, 7, 256):
        found = onnx_outputs(session, PICTURES, batch_size)
        assert max_abs_diff(found, trained) <= 1e-4
        assert agreement(found, trained) == 1


def test_the_order_of_colours_matters(exported):
    network, _ = exported
    assert max_abs_diff(network_outputs(network, PICTURES), network_outputs(network, PICTURES[..., ::-1])) > 1e-3


def test_the_int8_file_takes_rgb(exported):
    network, path = exported
    int8 = path.with_name("model.int8.onnx")
    write_int8(int8, path)
    found = onnx_outputs(open_session(int8), PICTURES[:20], 1)
    assert max_abs_diff(found, network_outputs(network, PICTURES[:20])) < 0.1


def test_the_server_answers_a_picture_and_its_pixels_as_the_file(exported, tmp_path):
    _, path = exported
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = session.run(["probabilities"], {"pixels": PICTURES[:1]})[0][0]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / "validation.json").write_text(json.dumps({"sha256": digest}))
    file = io.BytesIO()
    Image.fromarray(PICTURES[0]).save(file, "PNG")
    bodies = [
        (file.getvalue(), {"Content-Type": "image/png"}),
        (json.dumps({"pixels": PICTURES[0].tolist()}).encode(), {}),
    ]
    with serving(tmp_path, str(path.parent.parent)) as served:
        for body, headers in bodies:
            request = urllib.request.Request(f"{served.url}/predict/pictures", body, headers)
            with urllib.request.urlopen(request) as answer:
                found = json.load(answer)["probabilities"]
            np.testing.assert_allclose(list(found.values()) if isinstance(found, dict) else found, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["mnist_lstm", "mnist_autoencoder", "mnist_gan"])
def test_networks_of_grey_images_refuse_colours(config, name):
    with pytest.raises(WrongSettingError, match="needs grey images, pictures has colours"):
        build_network(config.model(name), COLOURED)
