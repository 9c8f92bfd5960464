"""Models that may be served: their file is the one that passed the gates, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from penstock.errors import ConfigError, PenstockError, nearest
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


LARGEST_FP32 = float(np.finfo(np.float32).max)


def _number(value: object, smallest: float, largest: float, *types: type) -> bool:
    return isinstance(value, types) and not isinstance(value, bool) and smallest <= value <= largest  # type: ignore[operator]


# Whether one element of a request's data is what the datatype can hold.
_FITS: dict[str, Callable[[object], bool]] = {
    "BYTES": lambda value: isinstance(value, str),
    "UINT8": lambda value: _number(value, 0, 255, int),
    "INT64": lambda value: _number(value, -(2**63), 2**63 - 1, int),
    "FP32": lambda value: _number(value, -LARGEST_FP32, LARGEST_FP32, int, float),
}


class InputError(ValueError):
    """The caller's rows do not fit the model; the message says what was wanted."""


class ServedModel:
    """One ONNX file in memory.

    version: the first 12 digits of the file's sha256; metadata: input, data hash, parameters hash; classes: names, none
    where the model is no classifier.
    """

    def __init__(self, name: str, path: Path, digest: str) -> None:
        self.name = name
        self.version = digest[:12]
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.input = TensorSpec.of(self.session.get_inputs()[0])
        self.outputs = [TensorSpec.of(node) for node in self.session.get_outputs()]
        self.metadata: dict[str, Any] = dict(self.session.get_modelmeta().custom_metadata_map)
        self.classes: list[str] = json.loads(self.metadata.pop("classes", "[]"))

    def rows(self, values: object) -> NDArray[Any]:
        """Nested lists of raw rows to the input array [rows, ...]; raises `InputError`."""
        spec = self.input
        wanted = f"{spec.name}: wants {spec.datatype} of shape {list(spec.shape)}"
        array = np.array(_same_depth(values, len(spec.shape), wanted), dtype=object)
        if array.shape[1:] != spec.shape[1:] or not len(array):
            raise InputError(f"{wanted}, not {list(array.shape)}")
        if not all(_FITS[spec.datatype](value) for value in array.flat):
            raise InputError(f"{wanted}, and these values are not")
        return array.astype(DTYPES[spec.datatype])

    def infer(self, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs by name for raw rows of the input's shape and dtype; raises `InputError` where they overflow."""
        names = [output.name for output in self.outputs]
        answers = dict(zip(names, self.session.run(names, {self.input.name: rows}), strict=True))
        if not all(np.isfinite(answer).all() for answer in answers.values()):
            raise InputError(f"{self.input.name}: values so large that the model has no answer")
        return answers

    def predict(self, rows: NDArray[Any]) -> list[dict[str, Any]]:
        """For people: each row's class by name and every class' probability, or all outputs as lists."""
        answers = self.infer(rows)
        if not self.classes:
            return [{name: answer[row].tolist() for name, answer in answers.items()} for row in range(len(rows))]
        return [
            {
                "label": self.classes[label],
                "probabilities": dict(zip(self.classes, map(float, likely), strict=True)),
            }
            for label, likely in zip(answers["label"], answers["probabilities"], strict=True)
        ]


def _same_depth(values: object, depth: int, wanted: str) -> object:
    """`values`, if they are lists in lists to exactly this depth, of equal lengths."""
    level = [values]
    for _ in range(depth):
        if not all(isinstance(part, list) and len(part) == len(level[0]) for part in level):  # type: ignore[arg-type]
            raise InputError(f"{wanted}, not lists of other depths or lengths")
        level = [value for part in level for value in part]  # type: ignore[attr-defined]
    if any(isinstance(value, list) for value in level):
        raise InputError(f"{wanted}, not deeper lists")
    return values


def load_model(name: str, folders: Sequence[Path]) -> ServedModel:
    """One validated model, <folder>/<name>/model.onnx, that the proof.json beside it is about.

    Raises:
        ConfigError: there is no such model.
        PenstockError: it has not passed its gates, or the file is not the one that did.
    """
    known = _known(folders)
    if name not in known:
        raise ConfigError(f"{_shown(folders)}: no model '{name}'{nearest(name, known)}")
    path = known[name]
    proof = path.with_name("proof.json")
    if not proof.is_file():
        raise PenstockError(f"{name}: has not passed its gates, so it is not served; `dvc repro` says which")
    digest = sha256(path)
    if digest != read_json(proof)["sha256"]:
        raise PenstockError(f"{path}: not the file that was validated; run `dvc repro`")
    return ServedModel(name, path, digest)


def load_models(folders: Sequence[Path]) -> tuple[dict[str, ServedModel], list[str]]:
    """All models of the folders that may be served, by name, and why others may not.

    Raises:
        ConfigError: there are none.
    """
    loaded, refused = {}, []
    for name in _known(folders):
        try:
            loaded[name] = load_model(name, folders)
        except PenstockError as error:
            refused.append(str(error))
    if not loaded:
        raise ConfigError(
            "\n".join([*refused, f"{_shown(folders)}: no validated models here; `make repro` makes them"])
        )
    return loaded, refused


def _known(folders: Sequence[Path]) -> dict[str, Path]:
    """The files by model; where two folders have one, the first folder's."""
    found = [path for folder in reversed(folders) for path in sorted(folder.glob("*/model.onnx"))]
    return dict(sorted((path.parent.name, path) for path in found))


def _shown(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))
