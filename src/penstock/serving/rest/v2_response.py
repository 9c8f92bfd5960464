"""Responses of the Open Inference Protocol: tensors in JSON, or as bytes after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from numpy.typing import NDArray

from penstock.serving.codecs.binary import bytes_from_array
from penstock.serving.codecs.tensors import Tensors, datatype_of
from penstock.serving.http.messages import BYTES, Response, json_response
from penstock.serving.runtime.model import ServedModel

MAX_INLINE_VALUES = 2**16
"""Values of an output that is encoded on the event loop."""
JSON_VALUE_BYTES = 12


def encode(model: ServedModel, outputs: Tensors, requested: Mapping[str, bool], id_: str | None) -> Response:
    """Encode outputs.

    Args:
        model: The model that was run.
        outputs: Arrays by output name.
        requested: Names of the outputs to return, and whether as bytes.
        id_: The request's id, which is returned; None for none.
    """
    body = _head(model, outputs, requested, id_)
    binary: list[bytes] = []
    body["outputs"] = [
        _tensor(name, outputs[name], binary if as_bytes else None) for name, as_bytes in requested.items()
    ]
    if not binary:
        return json_response(body)
    header = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    length = (b"inference-header-content-length", str(len(header)).encode())
    return Response(b"".join([header, *binary]), media_type=BYTES, headers=(length,))


def encode_large(model: ServedModel, outputs: Tensors, requested: Mapping[str, bool], id_: str | None) -> Response:
    """Encode outputs piece by piece, so that a thread that does so lets others run in between."""
    parts = [orjson.dumps(_head(model, outputs, requested, id_))[:-1], b',"outputs":[']
    binary: list[bytes] = []
    for name, as_bytes in requested.items():
        if as_bytes:
            parts.append(orjson.dumps(_tensor(name, outputs[name], binary)))
        else:
            parts += _pieces(name, outputs[name])
        parts.append(b",")
    parts[-1] = b"]}"
    if not binary:
        return Response(b"".join(parts))
    length = (b"inference-header-content-length", str(sum(map(len, parts))).encode())
    return Response(b"".join([*parts, *binary]), media_type=BYTES, headers=(length,))


def is_large(outputs: Tensors) -> bool:
    """Return whether encoding takes long."""
    for array in outputs.values():  # noqa: SIM110  (faster than `any`, in the path of every request)
        if array.size > MAX_INLINE_VALUES:
            return True
    return False


def encoded_size(outputs: Tensors, requested: Mapping[str, bool]) -> int:
    """Estimate the bytes of a response."""
    return sum(
        outputs[name].nbytes if as_bytes else outputs[name].size * JSON_VALUE_BYTES
        for name, as_bytes in requested.items()
    )


def _head(model: ServedModel, outputs: Tensors, requested: Mapping[str, bool], id_: str | None) -> dict[str, Any]:
    """Return the fields before the outputs, after a check that JSON can hold these."""
    if not model.is_exported:
        for name, as_bytes in requested.items():
            if not as_bytes:
                model.check_json(name, outputs[name])
    head: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    return head if id_ is None else head | {"id": id_}


def _pieces(name: str, array: NDArray[Any]) -> list[bytes]:
    """Encode a tensor as JSON."""
    tensor = {"name": name, "datatype": datatype_of(array), "shape": array.shape}
    values = array.ravel()
    pieces = [orjson.dumps(tensor)[:-1], b',"data":[']
    for first in range(0, len(values), MAX_INLINE_VALUES):
        piece = values[first : first + MAX_INLINE_VALUES]
        data = piece.tolist() if piece.dtype.kind == "O" else piece
        pieces += [orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1], b","]
    pieces[-1] = b"]}"
    return pieces


def _tensor(name: str, array: NDArray[Any], binary: list[bytes] | None) -> dict[str, Any]:
    """Describe a tensor, and append its bytes to `binary` if that is a list."""
    datatype = datatype_of(array)
    tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": array.shape}
    if binary is None:
        tensor["data"] = array.ravel().tolist() if datatype == "BYTES" else array.ravel()
    else:
        binary.append(bytes_from_array(array))
        tensor["parameters"] = {"binary_data_size": len(binary[-1])}
    return tensor
