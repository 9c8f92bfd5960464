"""Tensors of gRPC calls, to arrays and back: whatever may come, the same values or a refusal that names the place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from tritonclient.grpc import service_pb2

from penstock.serving.refusals import InputError
from penstock.serving.rpc import messages
from penstock.serving.rpc.tensors import input_arrays, output_tensors
from penstock.serving.tensors import DTYPES, TensorSpec
from tests.serving.generated import DESCRIPTOR, FOLDER, STUBS, generate

SHAPES = npst.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def arrays(draw):
    datatype = draw(st.sampled_from(list(DTYPES)))
    elements = TEXTS if datatype == "BYTES" else None
    return datatype, draw(npst.arrays(DTYPES[datatype], draw(SHAPES), elements=elements, fill=st.nothing()))


def request(*tensors, raw=()):
    inputs = [messages.ModelInferRequest.InferInputTensor(**tensor) for tensor in tensors]
    return messages.ModelInferRequest(inputs=inputs, raw_input_contents=raw)


def call_with(datatype, array, *, raw):
    """A call whose input is what a response of ours holds: the two have the same fields."""
    encoded = np.vectorize(str.encode, otypes=[object])(array) if datatype == "BYTES" and array.size else array
    if raw and datatype == "BYTES":
        flat = encoded.ravel()
        content = b"".join(len(text).to_bytes(4, "little") + text for text in flat)
        return request({"name": "x", "datatype": datatype, "shape": array.shape}, raw=[content])
    response = output_tensors([TensorSpec("x", datatype, array.shape)], {"x": encoded}, raw=raw)
    call = messages.ModelInferRequest(raw_input_contents=response.raw_output_contents)
    call.inputs.add().ParseFromString(response.outputs[0].SerializeToString())
    return call


@pytest.mark.parametrize("raw", [True, False])
@given(case=arrays())
def test_values_come_back_as_they_were_sent(raw, case):
    datatype, array = case
    back = input_arrays(call_with(datatype, array, raw=raw))["x"]
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@given(content=st.binary(max_size=60), shape=st.lists(st.integers(-3, 5), max_size=3))
def test_any_bytes_are_texts_or_refused(content, shape):
    call = request({"name": "x", "datatype": "BYTES", "shape": shape}, raw=[content])
    try:
        array = input_arrays(call)["x"]
    except InputError as error:
        assert str(error).startswith("inputs.0.")
    else:
        assert array.shape == tuple(shape)
        assert all(isinstance(text, str) for text in array.ravel())


FOUR = {"name": "x", "datatype": "UINT8", "shape": [4]}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (request(FOUR, raw=[b"1", b"2"]), "raw_input_contents: 2 of them for 1 inputs"),
        (request(FOUR, FOUR, raw=[b"1234", b"1234"]), "inputs.1.name: 'x' is there twice"),
        (request(FOUR | {"datatype": "FP8"}, raw=[b"1234"]), "inputs.0.datatype: wants one of FP32, UINT8"),
        (request(FOUR | {"shape": [-4]}, raw=[b"1234"]), "inputs.0.shape: wants sizes, not [-4]"),
        (request(FOUR | {"shape": [2**40, 2**40]}, raw=[b"1234"]), "inputs.0.shape: 4 values do not fill"),
        (request(FOUR, raw=[b"123"]), "inputs.0.shape: 3 values do not fill [4]"),
        (request(FOUR | {"datatype": "INT64"}, raw=[b"1234"]), "4 bytes are no whole number of INT64"),
        (request(FOUR | {"contents": {"uint_contents": [1]}}, raw=[b"1234"]), "there are raw_input_contents as well"),
        (
            request(FOUR | {"contents": {"uint_contents": [1, 2, 3, 256]}}),
            "contents: values that are no UINT8",
        ),
        (request(FOUR | {"contents": {"fp32_contents": [1]}}), "UINT8 is in uint_contents, not in fp32_contents"),
        (request(FOUR | {"datatype": "BYTES"}, raw=[b"\x05\0\0\0abc"]), "end before the 5 bytes of a text"),
        (request(FOUR | {"datatype": "BYTES"}, raw=[b"\x05\0"]), "end in the middle of a text's length"),
        (request(FOUR | {"datatype": "BYTES"}, raw=[b"\x01\0\0\0\xff"]), "a text that is not UTF-8"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(call, says):
    with pytest.raises(InputError) as refused:
        input_arrays(call)
    assert says in str(refused.value)


def test_what_protoc_makes_of_the_protocol_is_what_is_kept(tmp_path):
    generate(tmp_path)
    for name in (DESCRIPTOR, STUBS):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), f"python -m {generate.__module__}"


@pytest.mark.parametrize("name", [*messages.DESCRIPTOR.message_types_by_name])
def test_messages_are_the_protocols_field_by_field(name):
    """tritonclient carries the protocol as NVIDIA publishes it."""

    def fields(message):
        nested = [fields(each) for each in message.nested_types]
        return [(field.name, field.number, field.type, field.is_repeated) for field in message.fields], nested

    ours = messages.DESCRIPTOR.message_types_by_name[name]
    assert fields(ours) == fields(service_pb2.DESCRIPTOR.message_types_by_name[name])


def test_calls_are_the_protocols():
    (ours,) = messages.DESCRIPTOR.services_by_name.values()
    theirs = service_pb2.DESCRIPTOR.services_by_name[ours.name].methods_by_name
    for call in ours.methods:
        types = (theirs[call.name].input_type.full_name, theirs[call.name].output_type.full_name)
        assert (call.input_type.full_name, call.output_type.full_name) == types
