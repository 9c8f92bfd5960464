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


def encode(model: ServedModel, outputs: Tensors, requested: Mapping[str, bool], id_: str | None) -> Response:
    """Encode outputs.

    Args:
        model: The model that was run.
        outputs: Arrays by output name.
        requested: Names of the outputs to return, and whether as bytes.
        id_: The request's id, which is returned; None for none.
    """
    body: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    if id_ is not None:
        body["id"] = id_
    binary: list[bytes] = []
    if not model.is_exported:
        for name, as_bytes in requested.items():
            if not as_bytes:
                model.check_json(name, outputs[name])
    body["outputs"] = [
        _tensor(name, outputs[name], binary if as_bytes else None) for name, as_bytes in requested.items()
    ]
    if not binary:
        return json_response(body)
    header = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    length = (b"inference-header-content-length", str(len(header)).encode())
    return Response(b"".join([header, *binary]), media_type=BYTES, headers=(length,))


def _tensor(name: str, array: NDArray[Any], binary: list[bytes] | None) -> dict[str, Any]:
    """Describe a tensor, and append its bytes to `binary` if that is a list."""
    tensor: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": array.shape}
    if binary is None:
        values = array.ravel()
        tensor["data"] = values.tolist() if values.dtype.kind == "O" else values
    else:
        binary.append(bytes_from_array(array))
        tensor["parameters"] = {"binary_data_size": len(binary[-1])}
    return tensor
