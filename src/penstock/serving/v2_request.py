"""What a caller asks by the Open Inference Protocol: tensors in JSON, or as bytes behind it.

The bytes are those of the protocol's extension for binary tensor data: the JSON ends where the header
`Inference-Header-Content-Length` says, and an input with the parameter `binary_data_size` has so many of the bytes that
follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from numpy.typing import NDArray

from penstock.serving.http import Request, json_object
from penstock.serving.json_values import array_of
from penstock.serving.models import ServedModel
from penstock.serving.refusals import InputError
from penstock.serving.tensors import Tensors, TensorSpec
from penstock.serving.v2_binary import array_from

HEADER_LENGTH = b"inference-header-content-length"
MOST_DIGITS = 20  # of a length: Python reads some thousands, and raises where there are more
MICROSECONDS = 1e-6


@dataclass(slots=True)
class Asked:
    """id: to be echoed; outputs: names, in the order in which they are to come, and whether as bytes.

    timeout: seconds, None for as long as the server allows.
    """

    inputs: Tensors
    id: str | None
    outputs: Mapping[str, bool]
    timeout: float | None


def read(request: Request, model: ServedModel) -> Asked:
    """Raises `InputError`, which says what the model wants."""
    header, behind = _divided(request)
    body = json_object(header)
    tensors = body.get("inputs")
    if not isinstance(tensors, list) or not tensors:
        raise InputError(f"'inputs' must be a list of one tensor, '{model.input.name}'")
    inputs: dict[str, NDArray[Any]] = {}
    for number, tensor in enumerate(tensors):
        where = f"inputs.{number}"
        if not isinstance(tensor, dict):
            raise InputError(f"{where}: wants an object")
        spec = spec_named(tensor.get("name"), tensor.get("datatype"), model.specs, where)
        if spec.name in inputs:
            raise InputError(f"{where}.name: '{spec.name}' is there twice")
        shape = shape_for(spec, tensor.get("shape"), where)
        size = _binary_size(tensor, where, len(behind)) if "parameters" in tensor else None
        if size is None:
            inputs[spec.name] = _from_json(tensor.get("data"), spec, shape, where, header)
        else:
            inputs[spec.name] = array_from(behind[:size], spec, shape, where)
            behind = behind[size:]
    if behind:
        raise InputError(f"the body has {len(behind)} bytes behind its tensors")
    if len(body) == 1:
        return Asked(inputs, None, model.answered_in_json, None)
    return Asked(inputs, _id(body), _outputs(body, model), _timeout(body))


def _divided(request: Request) -> tuple[bytes, memoryview]:
    length = request.headers.get(HEADER_LENGTH)
    if length is None:
        return request.body, memoryview(b"")
    if not length.isdigit() or len(length) > MOST_DIGITS or int(length) > len(request.body):
        shown = length.decode("latin-1")
        raise InputError(f"Inference-Header-Content-Length: wants at most {len(request.body)}, not '{shown}'")
    return request.body[: int(length)], memoryview(request.body)[int(length) :]


def spec_named(name: object, datatype: object, specs: Mapping[str, TensorSpec], where: str) -> TensorSpec:
    """The input of that name; raises `InputError`."""
    spec = specs.get(name) if isinstance(name, str) else None
    if spec is None:
        raise InputError(f"{where}.name: wants {' or '.join(map(repr, specs))}, not {name!r}")
    if datatype != spec.datatype:
        raise InputError(f"{where}.datatype: wants '{spec.datatype}', not {datatype!r}")
    return spec


def shape_for(spec: TensorSpec, shape: object, where: str) -> list[int]:
    """`shape`, if it has the sizes of a tensor of this kind; raises `InputError`."""
    if not isinstance(shape, list) or len(shape) != len(spec.shape):
        raise InputError(f"{where}.shape: wants sizes like {list(spec.shape)}, not {shape!r}")
    for size in shape:
        if type(size) is not int or size < 1:
            raise InputError(f"{where}.shape: wants sizes like {list(spec.shape)}, not {shape!r}")
    return shape


def _from_json(data: object, spec: TensorSpec, shape: list[int], where: str, text: bytes) -> NDArray[Any]:
    if not isinstance(data, list):
        raise InputError(f"{where}.data: wants a list")
    flat = _flat(data, where) if data and isinstance(data[0], list) else data
    if len(flat) != prod(shape):
        raise InputError(f"{where}.data: {len(flat)} values do not fill the shape {shape}")
    return array_of(flat, spec, bools=_may_have_bools(text)).reshape(shape)


def _may_have_bools(text: bytes) -> bool:
    """Whether true or false is among the words: a search a hundred times quicker than a look at each value. Behind the
    last u there is no true, and behind the last s no false."""
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
        raise InputError(f"{where}: wants an object")
    if "shared_memory_region" in parameters:
        raise InputError(f"{where}.shared_memory_region: this server shares no memory with its callers")
    return parameters


def _binary_size(tensor: Mapping[str, Any], where: str, left: int) -> int | None:
    size = _parameters(tensor, f"{where}.parameters").get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or not 0 <= size <= left:
        raise InputError(f"{where}.parameters.binary_data_size: wants at most the {left} bytes there are, not {size!r}")
    if "data" in tensor:
        raise InputError(f"{where}.data: the data are bytes already, as binary_data_size says")
    return size


def _id(body: Mapping[str, Any]) -> str | None:
    given = body.get("id")
    if given is not None and not isinstance(given, str):
        raise InputError(f"id: wants a string, not {given!r}")
    return given


def _outputs(body: Mapping[str, Any], model: ServedModel) -> Mapping[str, bool]:
    binary = _flag(_parameters(body, "parameters"), "parameters", "binary_data_output", default=False)
    outputs = body.get("outputs")
    if not outputs:
        return dict.fromkeys(model.output_names, binary)
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise InputError("'outputs' must be a list of {\"name\": ...}")
    return dict(_output(output, model, f"outputs.{number}", binary) for number, output in enumerate(outputs))


def _output(output: Mapping[str, Any], model: ServedModel, where: str, binary: bool) -> tuple[str, bool]:
    name = output.get("name")
    if not isinstance(name, str) or name not in model.output_names:
        raise InputError(f"{where}.name: wants {' or '.join(map(repr, model.output_names))}, not {name!r}")
    parameters = _parameters(output, f"{where}.parameters")
    if "classification" in parameters:
        raise InputError(f"{where}.parameters.classification: is not known here; ask for 'label' or 'probabilities'")
    return name, _flag(parameters, f"{where}.parameters", "binary_data", default=binary)


def _flag(parameters: Mapping[str, Any], where: str, key: str, *, default: bool) -> bool:
    flag = parameters.get(key, default)
    if not isinstance(flag, bool):
        raise InputError(f"{where}.{key}: wants true or false, not {flag!r}")
    return flag


def _timeout(body: Mapping[str, Any]) -> float | None:
    """In microseconds, as Triton's clients send it; 0 is as good as none."""
    timeout = _parameters(body, "parameters").get("timeout", 0)
    if type(timeout) is not int or timeout < 0:
        raise InputError(f"parameters.timeout: wants microseconds, not {timeout!r}")
    return timeout * MICROSECONDS or None
