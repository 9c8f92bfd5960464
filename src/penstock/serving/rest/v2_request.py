"""Requests of the Open Inference Protocol: tensors in JSON, or as bytes after it.

The bytes follow the protocol's extension for binary tensor data: the JSON ends where the header
`Inference-Header-Content-Length` says, and an input with the parameter `binary_data_size` takes so many of the bytes
that follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from numpy.typing import NDArray

from penstock.core.plurals import counted
from penstock.serving.codecs import base64
from penstock.serving.codecs.binary import array_from_bytes
from penstock.serving.codecs.json import FEW_VALUES, array_from_values
from penstock.serving.codecs.tensors import Tensors, TensorSpec
from penstock.serving.errors import InputError, PayloadTooLargeError
from penstock.serving.http.messages import Request, json_object
from penstock.serving.runtime.parser_process import MAX_INLINE_BODY
from penstock.serving.runtime.signature import Signature

HEADER_LENGTH = b"inference-header-content-length"
MAX_TEXTS = 2**18
MAX_DIGITS = 20  # of a length; Python raises for a number of more than some thousand digits
MICROSECONDS = 1e-6
NO_BYTES = memoryview(b"")


@dataclass(slots=True)
class InferenceRequest:
    """A parsed request."""

    inputs: Tensors
    id: str | None
    """Returned with the response."""
    outputs: Mapping[str, bool]
    """Names of the requested outputs in their order, and whether to return them as bytes."""
    timeout: float | None
    """Seconds; None for the server's limit."""


def parse(request: Request, model: Signature) -> InferenceRequest:
    """Parse a request for a model.

    Raises:
        InputError: It does not fit the model.
    """
    header, rest = _split_body(request)
    body = json_object(header)
    tensors = body.get("inputs", [])
    if not isinstance(tensors, list) or (model.inputs and not tensors):
        raise InputError(f"'inputs' must be a list of tensors; the inputs are {model.input_names}")
    inputs: dict[str, NDArray[Any]] = {}
    for number, tensor in enumerate(tensors):
        where = f"inputs.{number}"
        if not isinstance(tensor, dict):
            raise InputError(f"{where}: expected an object")
        spec = find_spec(tensor.get("name"), tensor.get("datatype"), model.specs, where)
        if spec.name in inputs:
            raise InputError(f"{where}.name: '{spec.name}' appears twice")
        shape = check_shape(spec, tensor.get("shape"), where)
        parameters = _parameters(tensor, f"{where}.parameters") if "parameters" in tensor else None
        size = _binary_size(tensor, parameters, where, len(rest)) if parameters else None
        if size is None:
            inputs[spec.name] = _from_json(tensor.get("data"), spec, shape, where, header)
        else:
            inputs[spec.name] = array_from_bytes(rest[:size], spec, shape, where)
            rest = rest[size:]
        if parameters and parameters.get("content_type") == base64.CONTENT_TYPE:
            inputs[spec.name] = base64.texts_from_base64(inputs[spec.name], spec, where)
    if rest:
        raise InputError(f"the body has {counted(len(rest), 'byte')} after its tensors")
    if len(body) == 1:
        return InferenceRequest(inputs, None, model.default_outputs, None)
    return InferenceRequest(inputs, _id(body), _outputs(body, model), _timeout(body))


def is_large(request: Request, model: Signature) -> bool:
    """Return whether parsing takes long; numbers as bytes are not parsed."""
    if len(request.body) <= MAX_INLINE_BODY:
        return False
    length = request.headers.get(HEADER_LENGTH, b"")
    return bool(model.text_inputs) or not length.isdigit() or int(length[:MAX_DIGITS]) > MAX_INLINE_BODY


def parse_large(request: Request, model: Signature) -> InferenceRequest:
    """Parse a request in another process; long texts return cut."""
    parsed = parse(request, model)
    parsed.inputs = model.cut_texts(parsed.inputs)
    return parsed


def _split_body(request: Request) -> tuple[bytes, memoryview]:
    """Return the JSON, and the bytes after it."""
    length = request.headers.get(HEADER_LENGTH)
    if length is None:
        return request.body, NO_BYTES
    if not length.isdigit() or len(length) > MAX_DIGITS or int(length) > len(request.body):
        shown = length.decode("latin-1")
        raise InputError(f"Inference-Header-Content-Length: expected at most {len(request.body)}, not '{shown}'")
    return request.body[: int(length)], memoryview(request.body)[int(length) :]


def find_spec(name: object, datatype: object, specs: Mapping[str, TensorSpec], where: str) -> TensorSpec:
    """Return the input with this name.

    Raises:
        InputError: There is none, or it has another datatype.
    """
    spec = specs.get(name) if isinstance(name, str) else None
    if spec is None:
        raise InputError(f"{where}.name: expected {' or '.join(map(repr, specs))}, not {name!r}")
    if datatype != spec.datatype:
        raise InputError(f"{where}.datatype: expected '{spec.datatype}', not {datatype!r}")
    return spec


def check_shape(spec: TensorSpec, shape: object, where: str) -> list[int]:
    """Return `shape` as a list of sizes; its values need not fit the model yet.

    A model with one value per row is given [rows] for [rows, 1], which is how MLServer's codecs send it.

    Raises:
        InputError: It has another number of dimensions, or a size below 1.
        PayloadTooLargeError: It is of more than `MAX_TEXTS` texts.
    """
    if isinstance(shape, list):
        sizes = shape[:1] if len(spec.shape) == 1 and shape[1:] == [1] else shape
        for size in shape:
            if type(size) is not int or size < 1:
                break
        else:
            if len(sizes) == len(spec.shape):
                return sizes if spec.datatype != "BYTES" else _check_texts(sizes, where)
    raise InputError(f"{where}.shape: expected sizes like {list(spec.shape)}, not {shape!r}")


def _check_texts(sizes: list[int], where: str) -> list[int]:
    """Limit the texts of a tensor: onnxruntime holds Python's global lock while it converts those of a run."""
    if prod(sizes) > MAX_TEXTS:
        raise PayloadTooLargeError(f"{where}.shape: {prod(sizes)} texts in one tensor; the limit is {MAX_TEXTS}")
    return sizes


def _from_json(data: object, spec: TensorSpec, shape: list[int], where: str, text: bytes) -> NDArray[Any]:
    if not isinstance(data, list):
        raise InputError(f"{where}.data: expected a list")
    flat = _flat(data, where) if data and isinstance(data[0], list) else data
    if len(flat) != prod(shape):
        raise InputError(f"{where}.data: {counted(len(flat), 'value does', 'values do')} not fill the shape {shape}")
    check_bools = len(flat) <= FEW_VALUES or _may_have_bools(text)
    return array_from_values(flat, spec, check_bools=check_bools).reshape(shape)


def _may_have_bools(text: bytes) -> bool:
    """Return whether the text contains true or false, 100 times faster than a check of each value.

    There is no "true" after the last "u", and no "false" after the last "s".
    """
    return text.find(b"true", 0, text.rfind(b"u") + 2) >= 0 or text.find(b"false", 0, text.rfind(b"s") + 2) >= 0


def _flat(data: list[Any], where: str) -> list[Any]:
    while data and isinstance(data[0], list):
        if not all(isinstance(part, list) for part in data):
            raise InputError(f"{where}.data: the rows have different depths")
        data = [value for part in data for value in part]
    return data


def _parameters(holder: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    parameters = holder.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InputError(f"{where}: expected an object")
    if "shared_memory_region" in parameters:
        raise InputError(f"{where}.shared_memory_region: shared memory is not supported")
    return parameters


def _binary_size(tensor: Mapping[str, Any], parameters: Mapping[str, Any], where: str, left: int) -> int | None:
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or not 0 <= size <= left:
        raise InputError(
            f"{where}.parameters.binary_data_size: expected at most {left}, the remaining bytes, not {size!r}"
        )
    if "data" in tensor:
        raise InputError(f"{where}.data: remove it; binary_data_size says that the data are bytes")
    return size


def _id(body: Mapping[str, Any]) -> str | None:
    given = body.get("id")
    if given is not None and not isinstance(given, str):
        raise InputError(f"id: expected a string, not {given!r}")
    return given


def _outputs(body: Mapping[str, Any], model: Signature) -> Mapping[str, bool]:
    binary = _flag(_parameters(body, "parameters"), "parameters", "binary_data_output", default=False)
    outputs = body.get("outputs")
    if not outputs:
        return dict.fromkeys(model.default_outputs, binary)
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise InputError("'outputs' must be a list of {\"name\": ...}")
    return dict(_output(output, model, f"outputs.{number}", binary) for number, output in enumerate(outputs))


def _output(output: Mapping[str, Any], model: Signature, where: str, binary: bool) -> tuple[str, bool]:
    name = output.get("name")
    if not isinstance(name, str) or name not in model.default_outputs:
        raise InputError(f"{where}.name: expected {' or '.join(map(repr, model.default_outputs))}, not {name!r}")
    parameters = _parameters(output, f"{where}.parameters")
    if "classification" in parameters:
        raise InputError(f"{where}.parameters.classification: is not supported; request 'label' or 'probabilities'")
    return name, _flag(parameters, f"{where}.parameters", "binary_data", default=binary)


def _flag(parameters: Mapping[str, Any], where: str, key: str, *, default: bool) -> bool:
    flag = parameters.get(key, default)
    if not isinstance(flag, bool):
        raise InputError(f"{where}.{key}: expected true or false, not {flag!r}")
    return flag


def _timeout(body: Mapping[str, Any]) -> float | None:
    """Return seconds; Triton's clients send microseconds, and 0 for no timeout."""
    timeout = _parameters(body, "parameters").get("timeout", 0)
    if type(timeout) is not int or timeout < 0:
        raise InputError(f"parameters.timeout: expected microseconds, not {timeout!r}")
    return timeout * MICROSECONDS or None
