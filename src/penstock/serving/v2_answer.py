"""What a caller is answered by the Open Inference Protocol: tensors in JSON, or as bytes behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from numpy.typing import NDArray

from penstock.serving.http import BYTES, Response, json_response
from penstock.serving.models import ServedModel
from penstock.serving.tensors import Tensors, datatype_of
from penstock.serving.v2_binary import bytes_of


def write(model: ServedModel, outputs: Tensors, asked: Mapping[str, bool], id_: str | None) -> Response:
    """asked: names of the outputs that are to come, and whether as bytes."""
    answer: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    if id_ is not None:
        answer["id"] = id_
    binary: list[bytes] = []
    answer["outputs"] = [_tensor(name, outputs[name], binary if as_bytes else None) for name, as_bytes in asked.items()]
    if not binary:
        return json_response(answer)
    header = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    length = (b"inference-header-content-length", str(len(header)).encode())
    return Response(b"".join([header, *binary]), kind=BYTES, headers=(length,))


def _tensor(name: str, array: NDArray[Any], binary: list[bytes] | None) -> dict[str, Any]:
    tensor: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": array.shape}
    if binary is None:
        values = array.ravel()
        tensor["data"] = values.tolist() if values.dtype.kind == "O" else values
    else:
        binary.append(bytes_of(array))
        tensor["parameters"] = {"binary_data_size": len(binary[-1])}
    return tensor
