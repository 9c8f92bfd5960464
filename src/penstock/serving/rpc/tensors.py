"""Tensors of a call, typed or raw, to arrays and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.refusals import InputError
from penstock.serving.rpc.messages import InferTensorContents, ModelInferRequest, ModelInferResponse
from penstock.serving.tensors import DTYPES, Tensors, TensorSpec

# The field of InferTensorContents that holds a datatype's values.
_FIELDS = {"FP32": "fp32_contents", "UINT8": "uint_contents", "INT64": "int64_contents", "BYTES": "bytes_contents"}
_LENGTH = Struct("<I")


def input_arrays(request: ModelInferRequest) -> dict[str, NDArray[Any]]:
    """The call's inputs by name, in the shapes that they say they have; text as `str`.

    Raises:
        InputError: a tensor is there twice, of a datatype that no model has, or its values do not fill its shape.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InputError(f"raw_input_contents: {len(raw)} of them for {len(request.inputs)} inputs")
    arrays: dict[str, NDArray[Any]] = {}
    for index, tensor in enumerate(request.inputs):
        try:
            arrays[tensor.name] = _array(tensor, raw[index] if raw else None, arrays)
        except InputError as error:
            raise InputError(f"inputs.{index}.{error}") from None
    return arrays


def output_tensors(specs: Sequence[TensorSpec], outputs: Tensors, *, raw: bool) -> ModelInferResponse:
    """A response of nothing but these outputs, as raw bytes or as typed contents."""
    response = ModelInferResponse()
    for spec in specs:
        array = outputs[spec.name]
        tensor = response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
        if raw:
            response.raw_output_contents.append(array.tobytes())
        else:
            getattr(tensor.contents, _FIELDS[spec.datatype]).extend(array.ravel())
    return response


def _array(tensor: ModelInferRequest.InferInputTensor, raw: bytes | None, others: Mapping[str, object]) -> NDArray[Any]:
    if tensor.name in others:
        raise InputError(f"name: '{tensor.name}' is there twice")
    if tensor.datatype not in DTYPES:
        raise InputError(f"datatype: wants one of {', '.join(DTYPES)}, not '{tensor.datatype}'")
    if any(size < 0 for size in tensor.shape):
        raise InputError(f"shape: wants sizes, not {list(tensor.shape)}")
    if raw is None:
        values = _typed(tensor.contents, tensor.datatype)
    elif tensor.HasField("contents"):
        raise InputError("contents: there are raw_input_contents as well")
    else:
        values = _from_raw(raw, tensor.datatype)
    if len(values) != prod(tensor.shape):
        raise InputError(f"shape: {len(values)} values do not fill {list(tensor.shape)}")
    return values.reshape(tensor.shape)


def _typed(contents: InferTensorContents, datatype: str) -> NDArray[Any]:
    field = _FIELDS[datatype]
    others = [other.name for other, _ in contents.ListFields() if other.name != field]
    if others:
        raise InputError(f"contents: {datatype} is in {field}, not in {others[0]}")
    values = list(getattr(contents, field))
    if datatype == "BYTES":
        return _texts(values)
    try:
        return np.array(values, DTYPES[datatype])
    except OverflowError:
        raise InputError(f"contents: values that are no {datatype}") from None


def _from_raw(raw: bytes, datatype: str) -> NDArray[Any]:
    """Values in a row, little-endian; each text after its length in four bytes."""
    if datatype == "BYTES":
        return _texts(_split(raw))
    dtype = DTYPES[datatype].newbyteorder("<")
    if len(raw) % dtype.itemsize:
        raise InputError(f"raw_input_contents: {len(raw)} bytes are no whole number of {datatype}")
    return np.frombuffer(raw, dtype)


def _split(raw: bytes) -> list[bytes]:
    texts, start = [], 0
    while start < len(raw):
        if start + _LENGTH.size > len(raw):
            raise InputError("raw_input_contents: end in the middle of a text's length")
        (length,) = _LENGTH.unpack_from(raw, start)
        start += _LENGTH.size
        if start + length > len(raw):
            raise InputError(f"raw_input_contents: end before the {length} bytes of a text")
        texts.append(raw[start : start + length])
        start += length
    return texts


def _texts(values: Sequence[bytes]) -> NDArray[Any]:
    texts = np.empty(len(values), object)
    try:
        texts[:] = [value.decode() for value in values]
    except UnicodeDecodeError as error:
        raise InputError(f"contents: a text that is not UTF-8 ({error})") from None
    return texts
