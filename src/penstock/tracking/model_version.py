"""Describe a version in MLflow's model registry. Each ONNX file that passed its gates has one."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.io.provenance import Provenance
from penstock.tracking.tags import DATA, ONNX_SHA256, PARAMETERS


@dataclass(frozen=True, kw_only=True)
class ModelVersionContent:
    """Data that MLflow stores for a version."""

    name: str
    proto: Any
    """`onnx.ModelProto`."""
    sha256: str
    input_name: str
    example: NDArray[Any]
    """Raw input rows, [rows, ...]."""
    answers: dict[str, NDArray[Any]]
    """Outputs of the model for `example`, by name."""
    provenance: Provenance

    def content(self) -> dict[str, Any]:
        """Return the version as JSON types."""
        return {
            "name": self.name,
            "proto": base64.b64encode(self.proto.SerializeToString()).decode(),
            "sha256": self.sha256,
            "example": {self.input_name: _written(self.example)},
            "answers": {name: _written(answer) for name, answer in self.answers.items()},
            "tags": {
                ONNX_SHA256: self.sha256,
                DATA: self.provenance.data,
                PARAMETERS: self.provenance.parameters,
            },
        }


def arrays(written: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Decode `example` or `answers` of `ModelVersionContent.content`; return the arrays by name."""
    return {name: np.array(array["values"], dtype=array["dtype"]) for name, array in written.items()}


def _written(array: NDArray[Any]) -> dict[str, Any]:
    return {"dtype": array.dtype.str, "values": array.tolist()}
