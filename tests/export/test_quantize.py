"""Tests of the int8 copy of an exported file."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from penstock.config.networks import AutoencoderConfig
from penstock.export.graph import Served, network_graph
from penstock.export.latent_shift import with_latent_shift
from penstock.export.onnx_file import write_model
from penstock.export.quantize import write_int8
from penstock.export.tokenizer_graph import IR_VERSION, OPSETS
from penstock.models.autoencoder import Autoencoder
from penstock.models.common.build import build_network
from tests.models.documented import DATA

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)


def exported(network, path, recurrent):
    proto = network_graph(Served(network.eval()), network.input_spec, network.outputs, recurrent=recurrent)
    proto = with_latent_shift(proto) if "latent" in network.outputs else proto
    onnx.helper.set_model_props(proto, {"model": "some", "data": "abc"})
    write_model(path, proto)
    return path


@pytest.fixture(scope="module")
def lstm(tmp_path_factory, config):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("lstm")
    network = build_network(config.model("mnist_lstm_stacked"), DATA["mnist"])
    exact = exported(network, folder / "model.onnx", recurrent=True)
    write_int8(folder / "model.int8.onnx", exact)
    return exact, folder / "model.int8.onnx"


def test_int8_file_is_smaller_and_keeps_the_metadata(lstm):
    exact, int8 = lstm
    assert int8.stat().st_size < exact.stat().st_size / 2
    metadata = onnxruntime.InferenceSession(int8).get_modelmeta().custom_metadata_map
    assert metadata == {"model": "some", "data": "abc", "precision": "int8"}


def test_int8_outputs_are_close_to_the_exact_ones(lstm):
    (exact, _), (int8, _) = (onnxruntime.InferenceSession(path).run(None, {"pixels": PIXELS}) for path in lstm)
    assert np.allclose(int8, exact, atol=0.02)
    assert not np.array_equal(int8, exact)


def test_weights_are_stored_with_zero_point_128(lstm):
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(lstm[1]).graph.initializer}
    weights = [name for name in tensors if name.endswith("_quantized")]
    assert weights
    for name in weights:
        assert tensors[name].dtype == np.uint8
        assert tensors[name.removesuffix("_quantized") + "_zero_point"] == 128


def test_large_products_do_not_saturate(tmp_path):
    """On x86 without VNNI, the sum of two such products exceeds int16, in which int8 weights are multiplied."""
    inputs, output = (onnx.helper.make_tensor_value_info(name, 1, ["batch", 64]) for name in ("inputs", "output"))
    weights = numpy_helper.from_array(np.ones((64, 64), np.float32), "weights")
    product = onnx.helper.make_node("MatMul", ["inputs", "weights"], ["output"])
    graph = onnx.helper.make_graph([product], "large", [inputs], [output], [weights])
    opsets = [onnx.helper.make_opsetid(*item) for item in OPSETS.items()]
    write_model(tmp_path / "exact.onnx", onnx.helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opsets))
    write_int8(tmp_path / "int8.onnx", tmp_path / "exact.onnx")
    (answer,) = onnxruntime.InferenceSession(tmp_path / "int8.onnx").run(None, {"inputs": np.ones((1, 64), np.float32)})
    assert answer == pytest.approx(np.full((1, 64), 64), rel=0.01)


def test_quantization_is_reproducible(lstm, tmp_path):
    exact, int8 = lstm
    write_int8(tmp_path / "again.onnx", exact)
    assert (tmp_path / "again.onnx").read_bytes() == int8.read_bytes()


def test_optional_input_keeps_its_default(tmp_path):
    settings = AutoencoderConfig.model_validate(
        {"kind": "autoencoder", "hidden_sizes": [], "latent_dim": 5, "activation": "relu", "dropout": 0}
    )
    exact = exported(Autoencoder(settings, DATA["mnist"]), tmp_path / "model.onnx", recurrent=False)
    write_int8(tmp_path / "int8.onnx", exact)
    session = onnxruntime.InferenceSession(tmp_path / "int8.onnx")
    assert [node.name for node in session.get_inputs()] == ["pixels"]
    assert [node.name for node in session.get_overridable_initializers()] == ["latent_shift"]
