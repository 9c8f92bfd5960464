"""Encode one row for each server, and decode the probabilities of its response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATATYPES = {"u": "UINT8", "f": "FP32", "O": "BYTES", "U": "BYTES"}


@dataclass(frozen=True)
class Schema:
    """Request and response format of a server."""

    path: Callable[[str], str]
    """Returns the path of a model."""
    body: Callable[[str, NDArray[Any]], Any]
    """Returns the JSON body, from the name of the input and one row."""
    first_output: Callable[[Any], Any]
    """Returns the first output of a decoded response."""


def _v2_body(name: str, row: NDArray[Any]) -> Any:  # noqa: ANN401  (JSON)
    tensor = {"name": name, "datatype": DATATYPES[row.dtype.kind], "shape": [1, *row.shape]}
    return {"inputs": [tensor | {"data": row.ravel().tolist()}]}


V2 = Schema(
    lambda model: f"/v2/models/{model}/infer",
    _v2_body,
    lambda answer: answer["outputs"][0]["data"],
)
FASTAPI = Schema(
    lambda model: f"/{model}",
    lambda name, row: {"instances": [row.tolist()]},
    lambda answer: answer["probabilities"][0],
)
LITSERVE = Schema(
    lambda model: "/predict",
    lambda name, row: {"row": row.tolist()},
    lambda answer: answer["probabilities"],
)
BENTOML = Schema(lambda model: f"/{model}", lambda name, row: {"rows": [row.tolist()]}, lambda answer: answer[0])
MLFLOW = Schema(
    lambda model: "/invocations",
    lambda name, row: {"inputs": {name: [row.tolist()]}},
    lambda answer: np.asarray(answer["predictions"]["probabilities"])[0],
)
