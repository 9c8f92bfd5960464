"""Names, types and shapes of tensors, as the Open Inference Protocol v2 has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import PenstockError

Tensors = Mapping[str, NDArray[Any]]

# onnxruntime's element types by their name in the protocol, and the numpy dtypes that hold them.
DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}
_DATATYPE_OF = {dtype: datatype for datatype, dtype in DTYPES.items()}


# Outputs of scikit-learn's classifiers that skl2onnx exports: a list of one map for each row, from class to
# probability. They are served as a tensor [rows, classes], with the classes in the order of the map: sorted.
MAP_TYPES = ("seq(map(int64,tensor(float)))", "seq(map(string,tensor(float)))")


def tensor_of_maps(maps: Sequence[Mapping[Any, float]]) -> NDArray[np.float32]:
    """Return the values of each map as a row, float32 [rows, classes]."""
    return np.array([list(row.values()) for row in maps], np.float32)


def _remedy(kind: str) -> str:
    if kind.startswith("tensor("):
        return "cast it in the graph to float, or to another type of the protocol"
    return "export the model so that it takes and returns tensors"


def datatype_of(array: NDArray[Any]) -> str:
    """Return the protocol's name for the dtype of an array."""
    return _DATATYPE_OF[array.dtype]


@dataclass(frozen=True)
class TensorSpec:
    """Name, datatype and shape of an input or output."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """Sizes; -1 for the rows, and for other dimensions without a fixed size."""

    @classmethod
    def of(cls, node: Any) -> TensorSpec:  # noqa: ANN401  (onnxruntime's NodeArg, untyped)
        """Describe an input or output of an onnxruntime session.

        Raises:
            PenstockError: Its type is not served.
        """
        if node.type in MAP_TYPES:
            return cls(node.name, "FP32", (-1, -1))
        if node.type not in DATATYPES:
            raise PenstockError(f"{node.name}: has type {node.type}, which is not served; {_remedy(node.type)}")
        shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
        return cls(node.name, DATATYPES[node.type], shape)

    def require_values(self) -> None:
        """Check that a tensor of this shape holds a value.

        Raises:
            PenstockError: A size is 0.
        """
        if 0 in self.shape:
            raise PenstockError(
                f"{self.name}: has shape {list(self.shape)}, which holds no value; export the model with a larger size "
                "or an open dimension in place of 0"
            )

    @property
    def dtype(self) -> np.dtype[Any]:
        """numpy dtype; text is an array of `str` objects."""
        return DTYPES[self.datatype]

    @property
    def expected(self) -> str:
        """Beginning of an error message about a value that does not fit."""
        return f"{self.name}: expected {self.datatype} of shape {list(self.shape)}"

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether a tensor of this shape, without a size of 0, is one of these."""
        return len(shape) == len(self.shape) and all(
            given == size or (size == -1 and given > 0) for given, size in zip(shape, self.shape, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}
