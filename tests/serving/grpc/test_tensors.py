"""Tensors of gRPC messages become arrays with the same values, or are rejected with their place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from tritonclient.grpc import service_pb2

from penstock.serving.codecs.tensors import DTYPES, TensorSpec
from penstock.serving.errors import InputError
from penstock.serving.grpc import messages
from penstock.serving.grpc.tensors import decode_inputs, decode_large, encode_outputs
from penstock.serving.runtime.signature import Signature

SHAPES = npst.array_shapes(min_dims=1, max_dims=3, max_side=4)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def arrays(draw):
    """Generate a tensor of any datatype, and its values."""
    datatype = draw(st.sampled_from(list(DTYPES)))
    shape = draw(SHAPES)
    elements = TEXTS if datatype == "BYTES" else {"allow_nan": False, "allow_infinity": False}
    values = npst.arrays(DTYPES[datatype], shape, elements=elements, fill=st.nothing())
    return TensorSpec("x", datatype, shape), draw(values)


def call_of(*tensors, raw=()):
    inputs = [messages.ModelInferRequest.InferInputTensor(**tensor) for tensor in tensors]
    return messages.ModelInferRequest(inputs=inputs, raw_input_contents=raw)


@pytest.mark.parametrize("raw", [True, False])
@given(case=arrays())
def test_values_survive_a_round_trip(raw, case):
    spec, array = case
    response = encode_outputs([spec], {"x": array}, raw=raw)
    assert bool(response.raw_output_contents) == (raw or spec.datatype == "FP16")
    call = messages.ModelInferRequest(raw_input_contents=response.raw_output_contents)
    # Tensors that are asked and answered have the same fields.
    call.inputs.add().ParseFromString(response.outputs[0].SerializeToString())
    back = decode_inputs(call, {"x": spec})["x"]
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("raw", [True, False])
def test_a_large_request_keeps_how_it_is_answered(raw):
    spec = TensorSpec("x", "FP32", (-1,))
    tensor = {"name": "x", "datatype": "FP32", "shape": [2]}
    contents = {} if raw else {"contents": {"fp32_contents": [1, 2]}}
    call = call_of(tensor | contents, raw=[np.array([1, 2], np.float32).tobytes()] * raw)
    call.model_name = "numbers"
    signature = Signature([spec], {"x": spec}, {}, "", None, [])
    rest, arrays = decode_large(call.SerializeToString(), {"numbers": signature})
    answered = messages.ModelInferRequest.FromString(rest)
    assert (bool(answered.inputs), bool(answered.raw_input_contents)) == (True, raw)
    np.testing.assert_array_equal(arrays["x"], [1, 2])


@given(content=st.binary(max_size=60), shape=st.lists(st.integers(-3, 5), max_size=3))
def test_any_bytes_are_texts_or_rejected(content, shape):
    call = call_of({"name": "x", "datatype": "BYTES", "shape": shape}, raw=[content])
    try:
        array = decode_inputs(call, {"x": TensorSpec("x", "BYTES", (-1, 2))})["x"]
    except InputError as error:
        assert str(error).startswith("inputs.0")
    else:
        assert array.shape == tuple(shape)
        assert all(isinstance(text, str) for text in array.ravel())


SPECS = {spec.name: spec for spec in map(TensorSpec, ("x", "text", "half"), ("UINT8", "BYTES", "FP16"), [(-1,)] * 3)}
FOUR = {"name": "x", "datatype": "UINT8", "shape": [4]}
TEXT = {"name": "text", "datatype": "BYTES", "shape": [1]}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (call_of(FOUR, raw=[b"1", b"2"]), "raw_input_contents: expected 1, one per input, not 2"),
        (call_of(FOUR, FOUR, raw=[b"1234", b"1234"]), "inputs.1.name: 'x' appears twice"),
        (call_of(FOUR | {"name": "y"}), "inputs.0.name: expected 'x' or 'text' or 'half', not 'y'"),
        (call_of(FOUR | {"datatype": "FP8"}, raw=[b"1234"]), "inputs.0.datatype: expected 'UINT8', not 'FP8'"),
        (call_of(FOUR | {"shape": [-4]}, raw=[b"1234"]), "inputs.0.shape: expected sizes like [-1], not [-4]"),
        (
            call_of(FOUR | {"shape": [2**60]}, raw=[b"1234"]),
            f"inputs.0: expected {2**60:,} bytes for the shape [{2**60}], not 4",
        ),
        (call_of(FOUR, raw=[b"123"]), "inputs.0: expected 4 bytes for the shape [4], not 3"),
        (
            call_of(FOUR | {"contents": {"uint_contents": [1]}}),
            "inputs.0.contents: 1 value does not fill the shape [4]",
        ),
        (
            call_of(FOUR | {"contents": {"uint_contents": [1]}}, raw=[b"1234"]),
            "remove it; the request has raw_input_contents",
        ),
        (
            call_of(FOUR | {"contents": {"uint_contents": [1, 2, 3, 256]}}),
            "expected UINT8 of shape [-1]; these values are not",
        ),
        (call_of(FOUR | {"contents": {"fp32_contents": [1]}}), "UINT8 belongs in uint_contents, not in fp32_contents"),
        (
            call_of({"name": "half", "datatype": "FP16", "shape": [1], "contents": {"fp32_contents": [1]}}),
            "inputs.0.contents: FP16 has no typed contents; send raw_input_contents",
        ),
        (call_of(TEXT, raw=[b"\x05\0\0\0abc"]), "text 0 is longer than the remaining bytes"),
        (call_of(TEXT, raw=[b"\x05\0"]), "text 0 is longer than the remaining bytes"),
        (call_of(TEXT, raw=[b"\x01\0\0\0\xff"]), "text 0 is not UTF-8"),
        (call_of(TEXT | {"contents": {"bytes_contents": [b"\xff"]}}), "inputs.0.contents: a text is not UTF-8"),
    ],
)
def test_misfitting_tensors_are_rejected_with_their_place(call, says):
    with pytest.raises(InputError) as refused:
        decode_inputs(call, SPECS)
    assert says in str(refused.value)


# Fields that only one of the two definitions has: KServe's properties, and statistics that this server does not keep.
ONLY_OURS = {"ModelMetadataResponse": {"properties"}}
ONLY_TRITONS = {
    "ModelStatistics": {"memory_usage", "response_stats"},
    "InferStatistics": {"cache_hit", "cache_miss"},
}


@pytest.mark.parametrize("name", [*messages.DESCRIPTOR.message_types_by_name])
def test_messages_have_the_fields_of_the_protocol(name):
    """tritonclient has the protocol as NVIDIA publishes it."""

    def fields(message, without=frozenset()):
        nested = [fields(each) for each in message.nested_types if not each.GetOptions().map_entry or not without]
        kept = [field for field in message.fields if field.name not in without]
        return [(field.name, field.number, field.type, field.is_repeated) for field in kept], nested

    ours, tritons = messages.DESCRIPTOR.message_types_by_name[name], service_pb2.DESCRIPTOR.message_types_by_name[name]
    assert fields(ours, ONLY_OURS.get(name, set())) == fields(tritons, ONLY_TRITONS.get(name, set()))


def test_properties_have_the_number_that_kserve_gives_them():
    (field,) = messages.DESCRIPTOR.message_types_by_name["ModelMetadataResponse"].fields[5:]
    assert (field.name, field.number, field.is_repeated) == ("properties", 6, True)


def test_methods_are_those_of_the_protocol():
    (ours,) = messages.DESCRIPTOR.services_by_name.values()
    theirs = service_pb2.DESCRIPTOR.services_by_name[ours.name].methods_by_name
    for call in ours.methods:
        types = (theirs[call.name].input_type.full_name, theirs[call.name].output_type.full_name)
        assert (call.input_type.full_name, call.output_type.full_name) == types
