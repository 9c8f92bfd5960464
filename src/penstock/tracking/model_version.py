"""What is put into MLflow's model registry: one version per ONNX file that passed its gates."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.io.provenance import Provenance


@dataclass(frozen=True, kw_only=True)
class ModelVersionContent:
    """proto: the onnx.ModelProto; example: raw inputs [rows, ...] and answers: its outputs by name, for them."""

    name: str
    proto: Any
    sha256: str
    input_name: str
    example: NDArray[Any]
    answers: dict[str, NDArray[Any]]
    provenance: Provenance

    def content(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name,
            "proto": base64.b64encode(self.proto.SerializeToString()).decode(),
            "sha256": self.sha256,
            "example": {self.input_name: _written(self.example)},
            "answers": {name: _written(answer) for name, answer in self.answers.items()},
            "tags": {
                "onnx.sha256": self.sha256,
                "dvc.data": self.provenance.data,
                "parameters": self.provenance.parameters,
            },
        }


def arrays(written: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The arrays of `ValidatedModel.content`, read again."""
    return {name: np.array(array["values"], dtype=array["dtype"]) for name, array in written.items()}


def _written(array: NDArray[Any]) -> dict[str, Any]:
    return {"dtype": array.dtype.str, "values": array.tolist()}
