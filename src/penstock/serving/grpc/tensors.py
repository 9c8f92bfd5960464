"""Tensors of gRPC messages, typed or raw, to arrays and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from penstock.core.plurals import counted
from penstock.serving.codecs import base64
from penstock.serving.codecs.binary import array_from_bytes, bytes_from_array
from penstock.serving.codecs.json import array_from_values
from penstock.serving.codecs.tensors import Tensors, TensorSpec
from penstock.serving.errors import InputError
from penstock.serving.grpc.messages import InferTensorContents, ModelInferRequest, ModelInferResponse
from penstock.serving.rest.v2_request import check_shape, find_spec
from penstock.serving.runtime.signature import Signature

BINARY_DATA = "binary_data"  # of an output: whether as bytes
MAX_NAME = 256  # characters of a model that is not served
PIECE = 2**16  # values; a thread that encodes lets others run in between

M = TypeVar("M", bound=Message)

# The field of InferTensorContents that holds a datatype's values; the protocol has none for FP16.
_FIELDS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(["INT8", "INT16", "INT32"], "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(["UINT8", "UINT16", "UINT32"], "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def decode_inputs(request: ModelInferRequest, specs: Mapping[str, TensorSpec]) -> dict[str, NDArray[Any]]:
    """Decode the inputs of a request.

    Args:
        request: The request.
        specs: The model's inputs by name.

    Returns:
        Arrays by name, in the shapes that the request says; text as `str` objects.

    Raises:
        InputError: A tensor is unknown or appears twice, or its values do not fill its shape.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InputError(f"raw_input_contents: expected {len(request.inputs)}, one per input, not {len(raw)}")
    arrays: dict[str, NDArray[Any]] = {}
    for number, tensor in enumerate(request.inputs):
        where = f"inputs.{number}"
        if tensor.name in arrays:
            raise InputError(f"{where}.name: '{tensor.name}' appears twice")
        arrays[tensor.name] = _array(tensor, raw[number] if raw else None, specs, where)
    return arrays


def decode_large(message: bytes, signatures: Mapping[str, Signature]) -> tuple[bytes, Tensors]:
    """Decode a large request in another process.

    Args:
        message: The serialized request.
        signatures: Signatures of the models by name.

    Returns:
        The serialized request without the content of its inputs, and their arrays; long texts are cut.

    Raises:
        InputError: It is no request, or does not fit the model.
    """
    request = parse_message(ModelInferRequest, message)
    signature = signatures.get(request.model_name)
    arrays: Tensors = {}
    if signature is not None:
        check_outputs(request, signature.default_outputs)
        arrays = signature.cut_texts(decode_inputs(request, signature.specs))
    else:
        request.model_name = request.model_name[:MAX_NAME]
    has_inputs, has_raw = bool(request.inputs), bool(request.raw_input_contents)
    for field in ("inputs", "raw_input_contents"):
        request.ClearField(field)
    # An empty one of each tells how to answer.
    request.inputs.extend([ModelInferRequest.InferInputTensor()] * has_inputs)
    request.raw_input_contents.extend([b""] * has_raw)
    return request.SerializeToString(), arrays


def parse_message(message_type: type[M], message: bytes) -> M:
    """Parse a message.

    Raises:
        InputError: It is none of this type.
    """
    try:
        parsed: M = message_type.FromString(message)
    except DecodeError as error:
        raise InputError(f"this is not a {message_type.DESCRIPTOR.name}: {error}") from None
    return parsed


def check_outputs(request: ModelInferRequest, names: Collection[str]) -> None:
    """Check the outputs that a request names.

    Raises:
        InputError: The model does not have them, or not so many.
    """
    if len(request.outputs) > len(names):
        raise InputError(f"outputs: expected at most {len(names)}, those of the model, not {len(request.outputs)}")
    for index, output in enumerate(request.outputs):
        if output.name not in names:
            raise InputError(f"outputs.{index}.name: expected {' or '.join(map(repr, names))}, not {output.name!r}")
        for unknown in output.parameters.keys() - {BINARY_DATA}:
            raise InputError(f"outputs.{index}.parameters: '{unknown}' is not supported")


def encode_outputs(specs: Sequence[TensorSpec], outputs: Tensors, *, raw: bool) -> ModelInferResponse:
    """Return a response with these outputs only, as raw bytes or as typed contents; those with FP16 always as bytes."""
    response = ModelInferResponse()
    raw = raw or any(spec.datatype not in _FIELDS for spec in specs)
    for spec in specs:
        array = outputs[spec.name]
        tensor = response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
        if raw:
            response.raw_output_contents.append(bytes_from_array(array))
        else:
            contents = getattr(tensor.contents, _FIELDS[spec.datatype])
            flat = array.ravel()
            for first in range(0, flat.size, PIECE):
                values = flat[first : first + PIECE].tolist()
                contents.extend(map(str.encode, values) if spec.datatype == "BYTES" else values)
    return response


def _array(
    tensor: ModelInferRequest.InferInputTensor, raw: bytes | None, specs: Mapping[str, TensorSpec], where: str
) -> NDArray[Any]:
    spec = find_spec(tensor.name, tensor.datatype, specs, where)
    shape = check_shape(spec, list(tensor.shape), where)
    if raw is None:
        array = _typed(tensor.contents, spec, shape, f"{where}.contents")
    elif tensor.HasField("contents"):
        raise InputError(f"{where}.contents: remove it; the request has raw_input_contents")
    else:
        array = array_from_bytes(memoryview(raw), spec, shape, where)
    if "content_type" in tensor.parameters and tensor.parameters["content_type"].string_param == base64.CONTENT_TYPE:
        return base64.texts_from_base64(array, spec, where)
    return array


def _typed(contents: InferTensorContents, spec: TensorSpec, shape: list[int], where: str) -> NDArray[Any]:
    if spec.datatype not in _FIELDS:
        raise InputError(f"{where}: {spec.datatype} has no typed contents; send raw_input_contents")
    field = _FIELDS[spec.datatype]
    others = [other.name for other, _ in contents.ListFields() if other.name != field]
    if others:
        raise InputError(f"{where}: {spec.datatype} belongs in {field}, not in {others[0]}")
    values = list(getattr(contents, field))
    if len(values) != prod(shape):
        raise InputError(f"{where}: {counted(len(values), 'value does', 'values do')} not fill the shape {shape}")
    if spec.datatype == "BYTES":
        try:
            values = [value.decode() for value in values]
        except UnicodeDecodeError as error:
            raise InputError(f"{where}: a text is not UTF-8: {error.reason} at byte {error.start}") from None
    return array_from_values(values, spec, check_bools=False).reshape(shape)
