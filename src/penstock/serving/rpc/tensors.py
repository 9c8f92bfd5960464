"""Tensors of a call, typed or raw, to arrays and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from numpy.typing import NDArray

from penstock.serving.json_values import array_of
from penstock.serving.refusals import InputError
from penstock.serving.rpc.messages import InferTensorContents, ModelInferRequest, ModelInferResponse
from penstock.serving.tensors import Tensors, TensorSpec
from penstock.serving.v2_binary import array_from, bytes_of
from penstock.serving.v2_request import shape_for, spec_named

# The field of InferTensorContents that holds a datatype's values.
_FIELDS = {"FP32": "fp32_contents", "UINT8": "uint_contents", "INT64": "int64_contents", "BYTES": "bytes_contents"}


def input_arrays(request: ModelInferRequest, specs: Mapping[str, TensorSpec]) -> dict[str, NDArray[Any]]:
    """The call's inputs by name, in the shapes that they say they have; text as `str`. specs: of what there may be.

    Raises:
        InputError: a tensor is unknown or there twice, or its values do not fill its shape.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InputError(f"raw_input_contents: {len(raw)} of them for {len(request.inputs)} inputs")
    arrays: dict[str, NDArray[Any]] = {}
    for number, tensor in enumerate(request.inputs):
        where = f"inputs.{number}"
        if tensor.name in arrays:
            raise InputError(f"{where}.name: '{tensor.name}' is there twice")
        arrays[tensor.name] = _array(tensor, raw[number] if raw else None, specs, where)
    return arrays


def output_tensors(specs: Sequence[TensorSpec], outputs: Tensors, *, raw: bool) -> ModelInferResponse:
    """A response of nothing but these outputs, as raw bytes or as typed contents."""
    response = ModelInferResponse()
    for spec in specs:
        array = outputs[spec.name]
        tensor = response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
        if raw:
            response.raw_output_contents.append(bytes_of(array))
        else:
            values = array.ravel().tolist()
            texts = spec.datatype == "BYTES"
            getattr(tensor.contents, _FIELDS[spec.datatype]).extend(map(str.encode, values) if texts else values)
    return response


def _array(
    tensor: ModelInferRequest.InferInputTensor, raw: bytes | None, specs: Mapping[str, TensorSpec], where: str
) -> NDArray[Any]:
    spec = spec_named(tensor.name, tensor.datatype, specs, where)
    shape = shape_for(spec, list(tensor.shape), where)
    if raw is None:
        return _typed(tensor.contents, spec, shape, f"{where}.contents")
    if tensor.HasField("contents"):
        raise InputError(f"{where}.contents: there are raw_input_contents as well")
    return array_from(memoryview(raw), spec, shape, where)


def _typed(contents: InferTensorContents, spec: TensorSpec, shape: list[int], where: str) -> NDArray[Any]:
    field = _FIELDS[spec.datatype]
    others = [other.name for other, _ in contents.ListFields() if other.name != field]
    if others:
        raise InputError(f"{where}: {spec.datatype} is in {field}, not in {others[0]}")
    values = list(getattr(contents, field))
    if len(values) != prod(shape):
        raise InputError(f"{where}: {len(values)} values do not fill the shape {shape}")
    if spec.datatype == "BYTES":
        try:
            values = [value.decode() for value in values]
        except UnicodeDecodeError as error:
            raise InputError(f"{where}: a text is not UTF-8: {error.reason} at byte {error.start}") from None
    return array_of(values, spec, bools=False).reshape(shape)
