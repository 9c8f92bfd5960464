"""Inputs as MLServer's codecs send them: one value per row has the shape [rows, 1]."""

from base64 import b64encode

import grpc
import httpx
import pytest

from penstock.serving.grpc import messages
from tests.serving import tiny_models
from tests.serving.server_process import serving

TEXTS = ["good", "schön — 好", ""]
ENCODED = [b64encode(text.encode()).decode() for text in TEXTS]
KINDS = {"StringCodec": ("str", TEXTS), "NumpyCodec": ("np", TEXTS), "Base64Codec": ("base64", ENCODED)}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    tiny_models.save(folder, "echo", tiny_models.echo())
    tiny_models.save(folder, "fractions", tiny_models.fractions())
    with serving(folder, str(folder)) as running:
        yield running


def tensor(content_type, data, **changes):
    parameters = {"content_type": content_type}
    return {
        "name": "text",
        "datatype": "BYTES",
        "shape": [len(data), 1],
        "data": data,
        "parameters": parameters,
    } | changes


def ask(served, sent, model="echo"):
    response = httpx.post(f"{served.url}/v2/models/{model}/infer", json={"inputs": [sent]})
    return response.status_code, response.json()


@pytest.mark.parametrize(("content_type", "data"), KINDS.values(), ids=KINDS)
def test_codecs_of_texts_are_understood_over_rest(served, content_type, data):
    status, answer = ask(served, tensor(content_type, data))
    assert status == 200
    assert (answer["outputs"][0]["shape"], answer["outputs"][0]["data"]) == ([3], TEXTS)


def test_parameters_may_be_null(served):
    assert ask(served, tensor("str", TEXTS, parameters=None))[0] == 200


def test_nested_lists_are_understood(served):
    status, answer = ask(served, tensor("np", [[text] for text in TEXTS]))
    assert (status, answer["outputs"][0]["data"]) == (200, TEXTS)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(("content_type", "data"), KINDS.values(), ids=KINDS)
def test_codecs_of_texts_are_understood_over_grpc(served, content_type, data, raw):
    values = [text.encode() for text in data]
    request = messages.ModelInferRequest(model_name="echo")
    sent = request.inputs.add(name="text", datatype="BYTES", shape=[len(values), 1])
    sent.parameters["content_type"].string_param = content_type
    if raw:
        request.raw_input_contents.append(b"".join(len(value).to_bytes(4, "little") + value for value in values))
    else:
        sent.contents.bytes_contents.extend(values)
    with grpc.insecure_channel(served.grpc) as channel:
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=type(request).SerializeToString,
            response_deserializer=messages.ModelInferResponse.FromString,
        )
        answer = infer(request, timeout=30)
    assert list(answer.outputs[0].shape) == [3]
    if not raw:
        assert list(answer.outputs[0].contents.bytes_contents) == [text.encode() for text in TEXTS]


@pytest.mark.parametrize(
    ("sent", "model", "says"),
    [
        (tensor("str", TEXTS, shape=[1, 3]), "echo", "inputs.0.shape: expected sizes like [-1], not [1, 3]"),
        (tensor("str", TEXTS, shape=[3, True]), "echo", "inputs.0.shape: expected sizes like [-1], not [3, True]"),
        (tensor("str", TEXTS, shape=[3, 1, 1]), "echo", "inputs.0.shape: expected sizes like [-1], not [3, 1, 1]"),
        (tensor("base64", TEXTS), "echo", "inputs.0: a text is not UTF-8 in base64"),
        (tensor("base64", ["/w=="]), "echo", "inputs.0: a text is not UTF-8 in base64"),
        (
            tensor("base64", tiny_models.GOOD, name="numbers", datatype="FP32", shape=[1, 2]),
            "fractions",
            "inputs.0.parameters.content_type: base64 is for BYTES, not for FP32",
        ),
    ],
)
def test_other_shapes_and_wrong_base64_are_rejected(served, sent, model, says):
    status, answer = ask(served, sent, model)
    assert status == 400
    assert answer["error"].startswith(says)
