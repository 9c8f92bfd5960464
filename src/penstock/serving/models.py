"""Models that may be served: their file is the one that passed the gates, byte for byte."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from penstock.errors import ConfigError, PenstockError
from penstock.files import read_json, sha256

# Open Inference Protocol v2 names of the element types that a model can have.
DATATYPES = {
    "tensor(float)": "FP32",
    "tensor(uint8)": "UINT8",
    "tensor(int64)": "INT64",
    "tensor(string)": "BYTES",
}
DTYPES: dict[str, type] = {"FP32": np.float32, "UINT8": np.uint8, "INT64": np.int64, "BYTES": object}


@dataclass(frozen=True)
class TensorSpec:
    """A named input or output; a size of -1 is the batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, node: Any) -> TensorSpec:  # noqa: ANN401  (onnxruntime's NodeArg, untyped)
        shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
        return cls(node.name, DATATYPES[node.type], shape)

    def report(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


class InputError(ValueError):
    """The caller's rows do not fit the model; the message says what was wanted."""


class ServedModel:
    """One ONNX file in memory.

    version: the first 12 digits of the file's sha256; metadata: classes, input, data hash, parameters hash.
    """

    def __init__(self, name: str, path: Path, digest: str) -> None:
        self.name = name
        self.version = digest[:12]
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.input = TensorSpec.of(self.session.get_inputs()[0])
        self.outputs = [TensorSpec.of(node) for node in self.session.get_outputs()]
        self.metadata: dict[str, Any] = dict(self.session.get_modelmeta().custom_metadata_map)
        self.classes: list[str] = json.loads(self.metadata.pop("classes"))

    def rows(self, values: object) -> NDArray[Any]:
        """Nested lists of raw rows to the input array [rows, ...]; raises `InputError`."""
        spec = self.input
        try:
            array = np.array(values, dtype=object if spec.datatype == "BYTES" else None)
        except ValueError:
            raise InputError(f"{spec.name}: the rows have different lengths") from None
        wanted = f"{spec.name}: wants {spec.datatype} of shape {list(spec.shape)}"
        if array.ndim != len(spec.shape) or array.shape[1:] != spec.shape[1:] or not len(array):
            raise InputError(f"{wanted}, not {list(array.shape)}")
        if not self._fits(array):
            raise InputError(f"{wanted}, and these values are not")
        return array.astype(DTYPES[spec.datatype])

    def _fits(self, array: NDArray[Any]) -> bool:
        match self.input.datatype:
            case "BYTES":
                return all(isinstance(value, str) for value in array.flat)
            case "UINT8":
                return array.dtype.kind in "iu" and array.min() >= 0 and array.max() <= 255
            case _:
                return array.dtype.kind in "iuf" and bool(np.isfinite(array).all())

    def infer(self, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs by name for raw rows of the input's shape and dtype."""
        names = [output.name for output in self.outputs]
        return dict(zip(names, self.session.run(names, {self.input.name: rows}), strict=True))

    def predict(self, rows: NDArray[Any]) -> list[dict[str, Any]]:
        """For people: each row's class by name, and every class' probability."""
        answers = self.infer(rows)
        return [
            {
                "label": self.classes[label],
                "probabilities": dict(zip(self.classes, map(float, likely), strict=True)),
            }
            for label, likely in zip(answers["label"], answers["probabilities"], strict=True)
        ]


def load_model(name: str, models: Path, reports: Path) -> ServedModel:
    """One validated model.

    Raises:
        PenstockError: its gates were missed, or the file is not the one that was validated.
        MissingFileError: it was not validated yet.
    """
    report = read_json(reports / name / "validation.json")
    path = models / name / "model.onnx"
    if not report["gate"]["passed"]:
        raise PenstockError(f"{name}: missed its gates ({reports / name / 'validation.json'}), so it is not served")
    if not path.is_file():
        raise PenstockError(f"{path}: no such file; `dvc repro` makes it")
    digest = sha256(path)
    if digest != report["onnx"]["sha256"]:
        raise PenstockError(f"{path}: not the file that was validated; run `dvc repro`")
    return ServedModel(name, path, digest)


def load_models(models: Path, reports: Path) -> dict[str, ServedModel]:
    """All validated models of a folder, by name.

    Raises:
        ConfigError: there are none.
    """
    names = sorted(path.parent.name for path in models.glob("*/model.onnx"))
    validated = [name for name in names if (reports / name / "validation.json").is_file()]
    if not validated:
        raise ConfigError(f"{models}: no validated models here; `make repro` makes them")
    return {name: load_model(name, models, reports) for name in validated}
