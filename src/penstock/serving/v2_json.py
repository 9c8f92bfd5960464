"""Tensors in JSON, as the protocol has them: {"name", "datatype", "shape", "data"}."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.json_values import array_of
from penstock.serving.models import ServedModel
from penstock.serving.refusals import InputError
from penstock.serving.tensors import Tensors, TensorSpec


def inputs_of(body: Mapping[str, Any], model: ServedModel) -> dict[str, NDArray[Any]]:
    """The arrays of a request's `inputs`; `data` is flat or nested, `shape` says how to read it.

    Raises:
        InputError: they are not what the model wants; the message says what is.
    """
    tensors = body.get("inputs")
    if not isinstance(tensors, list) or len(tensors) != 1 or not isinstance(tensors[0], dict):
        raise InputError(f"'inputs' must be a list of one tensor, '{model.input.name}'")
    return {model.input.name: _array(tensors[0], model.input)}


def _array(tensor: Mapping[str, Any], spec: TensorSpec) -> NDArray[Any]:
    for key, wanted in (("name", spec.name), ("datatype", spec.datatype)):
        if tensor.get(key) != wanted:
            raise InputError(f"inputs.0.{key}: wants '{wanted}', not {tensor.get(key)!r}")
    shape, data = tensor.get("shape"), tensor.get("data")
    if not isinstance(shape, list) or not all(type(size) is int and size > 0 for size in shape):
        raise InputError(f"inputs.0.shape: wants sizes like {list(spec.shape)}, not {shape!r}")
    if len(shape) != len(spec.shape):
        raise InputError(f"inputs.0.shape: wants sizes like {list(spec.shape)}, not {shape}")
    if not isinstance(data, list):
        raise InputError("inputs.0.data: wants a list")
    flat = _flat(data)
    if len(flat) != prod(shape):
        raise InputError(f"inputs.0.data: {len(flat)} values do not fill the shape {shape}")
    if tuple(shape[1:]) != spec.shape[1:]:
        raise InputError(f"{spec.wanted}, not {shape}")
    return array_of(flat, spec).reshape(shape)


def _flat(data: list[Any]) -> list[Any]:
    while data and isinstance(data[0], list):
        if not all(isinstance(part, list) for part in data):
            raise InputError("inputs.0.data: the rows have different depths")
        data = [value for part in data for value in part]
    return data


def outputs_report(outputs: Tensors, model: ServedModel) -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "datatype": spec.datatype,
            "shape": list(outputs[spec.name].shape),
            "data": np.ascontiguousarray(outputs[spec.name]).ravel(),
        }
        for spec in model.outputs
    ]
