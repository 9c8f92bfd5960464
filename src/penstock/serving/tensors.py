"""Named inputs and outputs of a model, in the words of the Open Inference Protocol v2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import PenstockError

Tensors = Mapping[str, NDArray[Any]]

# onnxruntime's element types, as the protocol names them and numpy holds them.
DATATYPES = {
    "tensor(float)": "FP32",
    "tensor(uint8)": "UINT8",
    "tensor(int64)": "INT64",
    "tensor(string)": "BYTES",
}
DTYPES: dict[str, np.dtype[Any]] = {
    "FP32": np.dtype(np.float32),
    "UINT8": np.dtype(np.uint8),
    "INT64": np.dtype(np.int64),
    "BYTES": np.dtype(object),
}
_DATATYPE_OF = {dtype: datatype for datatype, dtype in DTYPES.items()}


def datatype_of(array: NDArray[Any]) -> str:
    """What the protocol calls the array's dtype, if a model can have it."""
    return _DATATYPE_OF[array.dtype]


@dataclass(frozen=True)
class TensorSpec:
    """shape: without names; a size of -1 is the rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, node: Any) -> TensorSpec:  # noqa: ANN401  (onnxruntime's NodeArg, untyped)
        """Raises `PenstockError` for a kind of tensor that is not served."""
        if node.type not in DATATYPES:
            raise PenstockError(f"{node.name}: is a {node.type}; served are {', '.join(DATATYPES)}")
        shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
        return cls(node.name, DATATYPES[node.type], shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """How arrays of it are held; text is an array of `str` objects."""
        return DTYPES[self.datatype]

    @property
    def wanted(self) -> str:
        return f"{self.name}: wants {self.datatype} of shape {list(self.shape)}"

    def report(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}
