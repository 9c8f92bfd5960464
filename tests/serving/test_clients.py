"""NVIDIA's clients get the metadata and outputs of the file itself, for every model."""

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from penstock.config.loading import load_config
from penstock.io.files import read_json
from tests.conftest import REPOSITORY, of_each_model
from tests.serving.server_process import names_served

MODELS = of_each_model(load_config(REPOSITORY / "params.yaml").models)
DATATYPES = {"tensor(float)": "FP32", "tensor(uint8)": "UINT8", "tensor(int64)": "INT64", "tensor(string)": "BYTES"}
ROWS = 3


@pytest.fixture(scope="module", params=["http", "grpc"])
def library(request):
    return {"http": tritonclient.http, "grpc": tritonclient.grpc}[request.param]


@pytest.fixture(scope="module")
def client(served, library):
    with library.InferenceServerClient(served.grpc if library is tritonclient.grpc else served.http) as connected:
        yield connected


@pytest.fixture
def told(client, library):
    """Return the result of a client's call as JSON."""
    as_json = {"as_json": True} if library is tritonclient.grpc else {}
    return lambda call, *arguments: getattr(client, call)(*arguments, **as_json)


@pytest.fixture(scope="module")
def session(small_run):
    """Load the validated file in onnxruntime."""

    def loaded(name):
        path = small_run.root / "models" / name / "model.onnx"
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    return loaded


def rows_for(node):
    """Return a few rows for a model."""
    generator = np.random.default_rng(0)
    shape = (ROWS, *node.shape[1:])
    match node.type:
        case "tensor(string)":
            return np.array(["A wonderful film with a terrible title.", "", "schön — 好"], object)
        case "tensor(uint8)":
            return generator.integers(0, 256, shape, np.uint8)
        case _:
            return generator.normal(size=shape).astype(np.float32)


def tensor_of(library, node, rows):
    tensor = library.InferInput(node.name, rows.shape, DATATYPES[node.type])
    tensor.set_data_from_numpy(rows)
    return tensor


@pytest.mark.parametrize("name", MODELS)
def test_responses_equal_those_of_the_file(client, library, session, name):
    model = session(name)
    (node,) = model.get_inputs()
    rows = rows_for(node)
    answer = client.infer(name, [tensor_of(library, node, rows)])
    wanted = [output.name for output in model.get_outputs()]
    for output, values in zip(wanted, model.run(wanted, {node.name: rows}), strict=True):
        served = answer.as_numpy(output)
        assert (served.dtype, served.shape) == (values.dtype, values.shape)
        np.testing.assert_allclose(served, values, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_metadata_describe_the_file(told, session, small_run, name):
    model, described = session(name), told("get_model_metadata", name)
    sha256 = read_json(small_run.root / "models" / name / "validation.json")["sha256"]
    assert (described["name"], described["versions"]) == (name, [sha256[:12]])
    for tensors, nodes in ((described["inputs"], model.get_inputs()), (described["outputs"], model.get_outputs())):
        found = [(tensor["name"], tensor["datatype"], [int(size) for size in tensor["shape"]]) for tensor in tensors]
        assert found == [(node.name, DATATYPES[node.type], [-1, *node.shape[1:]]) for node in nodes]


def test_the_server_is_live_and_has_metadata(client, told):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert told("get_server_metadata")["name"] == "penstock"


def test_all_models_are_in_the_index_and_ready(client, told, small_run):
    index = told("get_model_repository_index")
    models = index["models"] if isinstance(index, dict) else index
    ready = {model["name"]: model["version"] for model in models if model["state"] == "READY"}
    assert ready.keys() == names_served(load_config(small_run.root / "params.yaml").models)
    assert all(client.is_model_ready(name, version) for name, version in ready.items())


@pytest.fixture
def flower(library, session):
    (node,) = session("iris_mlp").get_inputs()
    return tensor_of(library, node, rows_for(node))


def test_responses_have_the_id_and_the_requested_outputs(client, library, told, flower):
    (version,) = told("get_model_metadata", "iris_mlp")["versions"]
    wanted = [library.InferRequestedOutput("label"), library.InferRequestedOutput("probabilities")]
    for outputs in (wanted, wanted[:1]):
        answer = client.infer("iris_mlp", [flower], version, outputs, "the seventh")
        response = answer.get_response(**({"as_json": True} if library is tritonclient.grpc else {}))
        assert (response["id"], response["model_version"]) == ("the seventh", version)
        assert [output["name"] for output in response["outputs"]] == [output.name() for output in outputs]


UNKNOWN, WRONG = ("404", "StatusCode.NOT_FOUND"), ("400", "StatusCode.INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ({"model_name": "nothing"}, UNKNOWN, "no model 'nothing'; the served models are"),
        ({"model_name": "iris_mlp", "model_version": "7"}, UNKNOWN, "no version '7' of 'iris_mlp'"),
        ({"model_name": "mnist_cnn"}, WRONG, "inputs.0.name: expected 'pixels', not 'features'"),
        (
            {"model_name": "iris_mlp", "outputs": ["logits"]},
            WRONG,
            "outputs.0.name: expected 'probabilities' or 'label', not 'logits'",
        ),
    ],
)
def test_invalid_calls_are_rejected_with_a_reason(client, library, flower, asked, status, says):
    outputs = [library.InferRequestedOutput(name) for name in asked.get("outputs", [])]
    with pytest.raises(InferenceServerException) as refused:
        client.infer(**(asked | {"inputs": [flower], "outputs": outputs or None}))
    assert refused.value.status() in status
    assert says in refused.value.message()
