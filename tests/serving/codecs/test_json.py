"""JSON and bytes become arrays without changed values, or are rejected."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.serving.codecs.binary import array_from_bytes, bytes_from_array
from penstock.serving.codecs.json import array_from_values
from penstock.serving.codecs.tensors import DTYPES, TensorSpec
from penstock.serving.errors import InputError
from penstock.serving.http.messages import Request
from penstock.serving.rest.v2_request import parse
from penstock.serving.rest.v2_response import encode
from penstock.serving.runtime.model import ServedModel
from tests.serving import tiny_models

numbers = st.integers(-(2**64), 2**64) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1, 256)
values = numbers | st.booleans() | st.text(max_size=3) | st.none() | st.just("1") | st.just([1])


def fits(datatype, value):
    """Convert one value in plain Python."""
    if datatype in ("BYTES", "BOOL"):
        return isinstance(value, {"BYTES": str, "BOOL": bool}[datatype])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    dtype = DTYPES[datatype]
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.array(value, dtype)))
    limits = np.iinfo(dtype)
    return isinstance(value, int) and limits.min <= value <= limits.max


@given(datatype=st.sampled_from(list(DTYPES)), flat=st.lists(values, min_size=1, max_size=5))
def test_arrays_hold_exactly_what_their_datatype_can(datatype, flat):
    spec = TensorSpec("x", datatype, (-1,))
    if all(fits(datatype, value) for value in flat):
        array = array_from_values(flat, spec)
        assert array.dtype == spec.dtype
        assert array.tolist() == np.array(flat, spec.dtype).tolist()
    else:
        with pytest.raises(InputError, match="these values are not"):
            array_from_values(flat, spec)


def test_a_byte_of_a_bool_is_0_or_1():
    spec = TensorSpec("x", "BOOL", (-1,))
    assert array_from_bytes(memoryview(b"\0\1"), spec, [2], "inputs.0").tolist() == [False, True]
    with pytest.raises(InputError, match=r"inputs\.0: expected a byte of 0 or 1 for each BOOL"):
        array_from_bytes(memoryview(b"\0\2"), spec, [2], "inputs.0")


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=5))
def test_texts_survive_a_round_trip_as_bytes(texts):
    spec = TensorSpec("text", "BYTES", (-1,))
    content = bytes_from_array(np.array(texts, object))
    assert array_from_bytes(memoryview(content), spec, [len(texts)], "inputs.0").tolist() == texts


@given(st.binary(max_size=40), st.integers(1, 3))
def test_bytes_that_are_not_texts_are_rejected(content, count):
    try:
        texts = array_from_bytes(memoryview(content), TensorSpec("text", "BYTES", (-1,)), [count], "inputs.0")
    except InputError as error:
        assert str(error).startswith("inputs.0: ")
    else:
        assert bytes_from_array(texts) == content


@pytest.fixture(scope="module")
def fractions():
    return ServedModel("fractions", tiny_models.fractions().SerializeToString())


def request_of(tensors, *binary, **more):
    header = json.dumps({"inputs": tensors} | more).encode()
    length = {b"inference-header-content-length": str(len(header)).encode()} if binary else {}
    return Request("POST", "/", length, b"".join([header, *binary]))


def numbers_tensor(rows, **changes):
    return {"name": "numbers", "datatype": "FP32", "shape": [rows, 2]} | changes


ROW = np.array(tiny_models.GOOD, np.float32).tobytes()


def test_unaligned_binary_numbers_are_read(fractions):
    for pad in range(4):
        tensor = numbers_tensor(2, parameters={"binary_data_size": 16, "pad": "x" * pad})
        array = parse(request_of([tensor], ROW * 2), fractions).inputs["numbers"]
        assert array.flags.aligned
        assert array.tolist() == [tiny_models.GOOD] * 2


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (
            request_of([numbers_tensor(1, parameters={"binary_data_size": 9})], ROW),
            "at most 8, the remaining bytes, not 9",
        ),
        (
            request_of([numbers_tensor(2, parameters={"binary_data_size": 8})], ROW),
            "expected 16 bytes for the shape [2, 2], not 8",
        ),
        (request_of([numbers_tensor(1, parameters={"binary_data_size": True})], ROW), "not True"),
        (request_of([numbers_tensor(1, parameters={"binary_data_size": 8})], ROW + b"!"), "1 byte after its tensors"),
        (
            request_of([numbers_tensor(1, data=tiny_models.GOOD, parameters={"binary_data_size": 8})], ROW),
            "data are bytes",
        ),
        (request_of([numbers_tensor(1, parameters={"shared_memory_region": "a"})]), "shared memory is not supported"),
        (request_of([numbers_tensor(1, parameters=5)]), "inputs.0.parameters: expected an object"),
        (request_of([numbers_tensor(1)]), "inputs.0.data: expected a list"),
        (request_of([5]), "inputs.0: expected an object"),
        (request_of([numbers_tensor(1, data=tiny_models.GOOD)] * 2), "inputs.1.name: 'numbers' appears twice"),
        (request_of([numbers_tensor(1, data=tiny_models.GOOD)], id=7), "id: expected a string, not 7"),
        (
            request_of([numbers_tensor(1, data=tiny_models.GOOD)], outputs=[{"name": "x"}]),
            "outputs.0.name: expected 'sum', not 'x'",
        ),
        (request_of([numbers_tensor(1, data=tiny_models.GOOD)], outputs={"name": "sum"}), "'outputs' must be a list"),
        (
            request_of([numbers_tensor(1, data=tiny_models.GOOD)], parameters={"timeout": -1}),
            "expected microseconds, not -1",
        ),
        (
            request_of([numbers_tensor(1, data=tiny_models.GOOD)], parameters={"binary_data_output": 1}),
            "expected true or false",
        ),
        (Request("POST", "/", {b"inference-header-content-length": b"99"}, b"{}"), "expected at most 2, not '99'"),
        (Request("POST", "/", {b"inference-header-content-length": b"-1"}, b"{}"), "expected at most 2, not '-1'"),
    ],
)
def test_invalid_requests_are_rejected_with_a_reason(fractions, request_, says):
    with pytest.raises(InputError) as refused:
        parse(request_, fractions)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("more", "binary"),
    [
        ({}, False),
        ({"parameters": {"binary_data_output": True}}, True),
        ({"outputs": [{"name": "sum", "parameters": {"binary_data": True}}]}, True),
        ({"parameters": {"binary_data_output": True}, "outputs": [{"name": "sum"}]}, True),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "sum", "parameters": {"binary_data": False}}],
            },
            False,
        ),
    ],
)
def test_outputs_are_bytes_on_request(fractions, more, binary):
    asked = parse(request_of([numbers_tensor(1, data=tiny_models.GOOD)], id="7", **more), fractions)
    response = encode(fractions, fractions.run(asked.inputs), asked.outputs, asked.id)
    length = int(dict(response.headers).get(b"inference-header-content-length", len(response.body)))
    answer = json.loads(response.body[:length])
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("7", "fractions", fractions.version)
    (tensor,) = answer["outputs"]
    if binary:
        assert (response.media_type, tensor["parameters"]) == (b"application/octet-stream", {"binary_data_size": 4})
        assert np.frombuffer(response.body[length:], np.float32).tolist() == [10.5]
    else:
        assert (response.media_type, tensor["data"]) == (b"application/json", [10.5])
