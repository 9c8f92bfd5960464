"""Models whose outputs are not one row per input row are never split or joined."""

import asyncio

import numpy as np
import psutil
import pytest
from onnx import TensorProto, helper

from penstock.serving.runtime.batch_policy import BatchPolicy
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.repository import Repository
from penstock.serving.settings import ServerConfig
from tests.serving import third_party_models, tiny_models

BY_ROW = {
    "fractions": tiny_models.fractions,
    "sides": tiny_models.sides,
    "echo": tiny_models.echo,
    "scaled": tiny_models.scaled,  # declared as int8, so its rows run one by one
    "sum_of_two": third_party_models.sum_of_two,
    "colour_pictures": third_party_models.colour_pictures,
}
WHOLE = {
    "lstm_with_states": third_party_models.lstm_with_states,
    "detector": third_party_models.detector,
    "unnamed_detector": lambda: third_party_models.detector(0.0, None, None),
    "mean": third_party_models.mean,
    "centred": third_party_models.centred,
    "without_inputs": third_party_models.without_inputs,
    "fixed_batch": lambda: third_party_models.double(4, 2),
    "open_sequence": lambda: third_party_models.double("n", "length"),
}


def loaded(makers, name):
    return ServedModel(name, makers[name]().SerializeToString())


@pytest.mark.parametrize("name", BY_ROW)
def test_models_with_one_row_per_input_row_share_runs(name):
    assert not loaded(BY_ROW, name).runs_whole


@pytest.mark.parametrize("name", WHOLE)
def test_other_models_run_one_request_at_a_time(name):
    assert loaded(WHOLE, name).runs_whole


def answers(folder, name, model, requests, *, policy=None):
    """Return the answers of simultaneous requests."""
    tiny_models.save(folder, name, model)
    repository = Repository([folder])
    repository.load()
    served = repository.get(name)
    served.policy = policy or served.policy

    async def work():
        engine = Engine(repository, ServerConfig(workers=2))
        try:
            return await asyncio.gather(*(engine.infer(served, one) for one in requests), return_exceptions=True)
        finally:
            engine.close()

    return [served.run(one) for one in requests], asyncio.run(work())


def is_equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_concurrent_requests_of_an_lstm_with_states_get_their_own_states(tmp_path):
    random = np.random.default_rng(1)
    requests = [{"steps": random.standard_normal((rows, 5, 3)).astype(np.float32)} for rows in [1, 2, 3, 33, 64] * 8]
    expected, given = answers(tmp_path, "lstm", third_party_models.lstm_with_states(), requests)
    assert all(map(is_equal, expected, given))
    assert given[4]["hidden"].shape == (1, 64, 4)


@pytest.mark.parametrize("names", [("rows", "boxes"), (None, None)])
def test_concurrent_requests_of_a_detector_get_their_own_boxes(tmp_path, names):
    random = np.random.default_rng(2)
    requests = [{"scores": random.standard_normal((1 + number % 40, 1)).astype(np.float32)} for number in range(50)]
    expected, given = answers(tmp_path, "detector", third_party_models.detector(0.0, *names), requests)
    assert all(map(is_equal, expected, given))


def test_outputs_without_rows_found_out_in_a_run_are_not_given_to_others(tmp_path):
    """The rows of the check are all above this threshold."""
    model = third_party_models.detector(-10, None, None)
    requests = [{"scores": np.array([[score]], np.float32)} for score in (1, -20, 3, -20, 5, 6)]
    shared = BatchPolicy(max_batch_size=32, max_inline_rows=32, seconds_per_row=1e-6)
    expected, given = answers(tmp_path, "late", model, requests, policy=shared)
    assert all(map(is_equal, expected, given))


def test_memory_of_a_run_of_open_sizes_is_given_back():
    """16 kB of numbers take 64 MB in the run, the square of their count."""
    nodes = [
        helper.make_node("Transpose", ["numbers"], ["column"]),
        helper.make_node("MatMul", ["column", "numbers"], ["square"]),
        helper.make_node("ReduceMax", ["square"], ["largest"], keepdims=0),
    ]
    takes = helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["rows", "count"])
    gives = helper.make_tensor_value_info("largest", TensorProto.FLOAT, [])
    graph = helper.make_graph(nodes, "graph", [takes], [gives])
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model = ServedModel("m", file.SerializeToString())
    assert model.runs_whole
    model.run({"numbers": np.ones((1, 2), np.float32)})  # onnxruntime keeps the memory of the first run
    process = psutil.Process()
    before = process.memory_info().rss
    assert model.run({"numbers": np.ones((1, 4000), np.float32)})["largest"] == 1
    assert process.memory_info().rss < before + 30 * 2**20
