"""What the register stage hands to `TrackedRun.register`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from penstock.io.provenance import Provenance


@dataclass(frozen=True, kw_only=True)
class ModelVersionContent:
    """A validated file."""

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
