"""Files of every exporter are validated and served, with the answers of onnxruntime, over HTTP and gRPC."""

import json

import grpc
import httpx
import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc
import tritonclient.http

from penstock.cli import main
from penstock.serving.codecs.tensors import DATATYPES, datatype_of
from penstock.serving.grpc.messages import ModelInferRequest, ModelInferResponse
from tests.serving.exporters import BATCHED, EXPORTERS, ROWS
from tests.serving.server_process import serving

FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
HALVES = ("torch_half", "echo_float16")  # the protocol has no typed contents for them


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder of validated files, and rows that each of them takes."""
    folder = tmp_path_factory.mktemp("exported")
    rows = {name: export(folder / f"{name}.onnx") for name, export in EXPORTERS.items()}
    for name in EXPORTERS:
        reference = folder / f"{name}.npz"
        options = ["--reference", str(reference)] if reference.exists() else []
        main(["validate-onnx", str(folder / f"{name}.onnx"), *options])
    return folder, rows


@pytest.fixture(scope="module")
def served(exported):
    folder, _ = exported
    with serving(folder, str(folder)) as running:
        yield running


@pytest.fixture(params=EXPORTERS)
def case(request, exported):
    """Name, inputs, and onnxruntime's own outputs of a file."""
    folder, rows = exported
    session = onnxruntime.InferenceSession(folder / f"{request.param}.onnx")
    names = [node.name for node in session.get_outputs()]
    outputs = dict(zip(names, map(as_array, session.run(names, rows[request.param])), strict=True))
    return request.param, rows[request.param], outputs


def as_array(output):
    """ZipMap's list of maps is a tensor of their values."""
    return np.array([list(row.values()) for row in output], np.float32) if isinstance(output, list) else output


def assert_equal(given, expected):
    """Compare outputs; the last bits may differ, since the rows of a request may run in parts."""
    assert given.shape == expected.shape
    if expected.dtype.kind == "f":
        tolerance = 1e-3 if expected.dtype == np.float16 else 1e-6
        np.testing.assert_allclose(given.astype(expected.dtype), expected, tolerance, tolerance)
    else:
        np.testing.assert_array_equal(given, expected)


def ask(library, client, name, inputs):
    """Ask tritonclient, which sends and is sent bytes."""
    tensors = []
    for key, array in inputs.items():
        tensors.append(library.InferInput(key, list(array.shape), datatype_of(array)))
        tensors[-1].set_data_from_numpy(array)
    return client.infer(name, tensors)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_tritonclient_gets_the_answers_of_onnxruntime(served, case, protocol):
    name, inputs, outputs = case
    library = {"http": tritonclient.http, "grpc": tritonclient.grpc}[protocol]
    with library.InferenceServerClient(getattr(served, protocol)) as client:
        result = ask(library, client, name, inputs)
    for key, expected in outputs.items():
        given = result.as_numpy(key)
        if expected.dtype == object:
            given = np.array([text.decode() for text in given.flat], object).reshape(given.shape)
        assert given.dtype == expected.dtype
        assert_equal(given, expected)


@pytest.mark.parametrize("case", [name for name in EXPORTERS if name not in HALVES], indirect=True)
def test_typed_contents_have_the_answers_of_onnxruntime(served, case):
    """tritonclient sends bytes only; so the messages are those of the protocol."""
    name, inputs, outputs = case
    request = ModelInferRequest(model_name=name)
    for key, array in inputs.items():
        contents = {FIELDS[datatype_of(array)]: [as_bytes(value) for value in array.ravel().tolist()]}
        request.inputs.add(name=key, datatype=datatype_of(array), shape=array.shape, contents=contents)
    for key in outputs:
        request.outputs.add(name=key).parameters["binary_data"].bool_param = False
    response = infer(served.grpc, request)
    assert [tensor.name for tensor in response.outputs] == list(outputs)
    for tensor, expected in zip(response.outputs, outputs.values(), strict=True):
        values = getattr(tensor.contents, FIELDS[datatype_of(expected)])
        texts = [value.decode() for value in values] if expected.dtype == object else values
        assert_equal(np.array(texts, expected.dtype).reshape(tensor.shape), expected)


def as_bytes(value):
    return value.encode() if isinstance(value, str) else value


def infer(address, request):
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=ModelInferRequest.SerializeToString,
            response_deserializer=ModelInferResponse.FromString,
        )
        return ask(request)


@pytest.mark.parametrize("name", HALVES)
def test_float16_has_no_typed_contents(served, name):
    request = ModelInferRequest(model_name=name)
    tensor = json.loads(httpx.get(f"{served.url}/v2/models/{name}").content)["inputs"][0]
    shape = [1, tensor["shape"][1]]
    request.inputs.add(name=tensor["name"], datatype="FP16", shape=shape, contents={"fp32_contents": [0] * shape[1]})
    with pytest.raises(grpc.RpcError, match="FP16 has no typed contents; send raw_input_contents"):
        infer(served.grpc, request)


def test_json_has_the_answers_of_onnxruntime(served, case):
    name, inputs, outputs = case
    tensors = [
        {"name": key, "datatype": datatype_of(array), "shape": array.shape, "data": array.ravel().tolist()}
        for key, array in inputs.items()
    ]
    answer = httpx.post(f"{served.url}/v2/models/{name}/infer", json={"inputs": tensors}).json()
    assert [tensor["name"] for tensor in answer["outputs"]] == list(outputs)
    for tensor in answer["outputs"]:
        expected = outputs[tensor["name"]]
        assert tensor["datatype"] == datatype_of(expected)
        assert_equal(np.array(tensor["data"], expected.dtype).reshape(tensor["shape"]), expected)


@pytest.mark.parametrize("case", BATCHED, indirect=True)
def test_predict_answers_one_row(served, case):
    name, inputs, outputs = case
    row = {key: array[0].tolist() for key, array in inputs.items()}
    answer = httpx.post(f"{served.url}/predict/{name}", json=row).json()
    for key, expected in outputs.items():
        assert_equal(np.array(answer[key], expected.dtype), np.asarray(expected[0], expected.dtype))


def test_metadata_say_the_types_and_that_the_file_is_validated(served, exported, case):
    name, inputs, outputs = case
    metadata = httpx.get(f"{served.url}/v2/models/{name}").json()
    assert metadata["parameters"]["validated"] == "true"
    for told, arrays in ((metadata["inputs"], inputs), (metadata["outputs"], outputs)):
        assert {one["name"]: one["datatype"] for one in told} == {key: datatype_of(one) for key, one in arrays.items()}
    record = json.loads((exported[0] / f"{name}.validation.json").read_text())
    assert record["batched"] == (name in BATCHED)


def test_the_document_names_every_model(served):
    document = httpx.get(f"{served.url}/openapi.json").json()
    assert set(document["components"]["parameters"]["name"]["schema"]["enum"]) == EXPORTERS.keys()


def test_every_datatype_is_asked(exported):
    _, rows = exported
    assert {datatype_of(array) for inputs in rows.values() for array in inputs.values()} == set(DATATYPES.values())


def test_the_columns_of_a_zipmap_are_named(served):
    for name, classes in (
        ("scikit_zipmap", [0, 1, 2]),
        ("scikit_string_zipmap", ["setosa", "versicolor", "virginica"]),
    ):
        metadata = httpx.get(f"{served.url}/v2/models/{name}").json()
        assert json.loads(metadata["parameters"]["output_probability.classes"]) == classes
        assert metadata["outputs"][1] == {"name": "output_probability", "datatype": "FP32", "shape": [-1, 3]}


def test_a_sequence_may_have_any_length(served, exported):
    folder, _ = exported
    session = onnxruntime.InferenceSession(folder / "torch_sequences.onnx")
    for steps in (1, 9):
        inputs = {"steps": np.ones((ROWS, steps, 3), np.float32)}
        with tritonclient.http.InferenceServerClient(served.http) as client:
            assert_equal(
                ask(tritonclient.http, client, "torch_sequences", inputs).as_numpy("mean"),
                session.run(["mean"], inputs)[0],
            )


def test_a_fixed_batch_is_the_only_one(served):
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
    response = httpx.post(f"{served.url}/v2/models/torch_static_batch/infer", json={"inputs": [tensor]})
    assert response.status_code == 400
    assert response.json()["error"] == "features: expected FP32 of shape [3, 4], not [1, 4]"
