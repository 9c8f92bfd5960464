"""A model that may be served: its file is the one that passed the gates, byte for byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state

from penstock.errors import PenstockError
from penstock.files import read_json
from penstock.serving.json_values import rows_of
from penstock.serving.refusals import InputError, ModelFailedError
from penstock.serving.tensors import Tensors, TensorSpec

# All that onnxruntime raises; its exceptions have no common base of their own.
ONNXRUNTIME_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    *(
        kind
        for kind in vars(onnxruntime_pybind11_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
)


class ServedModel:
    """One ONNX file in memory.

    version: the first 12 digits of the file's sha256; inputs: what every request gives, with rows in the first
    dimension; optional: what the graph has a value of its own for, by name; metadata: input, data hash, parameters hash
    and what else is known of where it comes from; classes: names, none where the model is no classifier.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.digest = hashlib.sha256(content).hexdigest()
        self.version = self.digest[:12]
        self.session = onnxruntime.InferenceSession(content, _options(), providers=["CPUExecutionProvider"])
        self.inputs = [TensorSpec.of(node) for node in self.session.get_inputs()]
        self.optional = {node.name: TensorSpec.of(node) for node in self.session.get_overridable_initializers()}
        self.outputs = [TensorSpec.of(node) for node in self.session.get_outputs()]
        self.output_names = [output.name for output in self.outputs]
        self.metadata: dict[str, Any] = dict(self.session.get_modelmeta().custom_metadata_map)
        self.classes: list[str] = json.loads(self.metadata.pop("classes", "[]"))

    @property
    def input(self) -> TensorSpec:
        """The first input, which is the only one that has no value of its own in all of our models."""
        return self.inputs[0]

    def rows(self, inputs: Tensors) -> int:
        """How many rows well-formed inputs have.

        Raises:
            InputError: an input is missing or unknown, or has another dtype or shape than the model wants.
        """
        rows = {_rows(spec, inputs.get(spec.name)) for spec in self.inputs}
        if len(rows) > 1:
            raise InputError(f"the inputs have different numbers of rows: {sorted(rows)}")
        if len(inputs) > len(self.inputs):
            self._check_optional(inputs, min(rows))
        return rows.pop()

    def _check_optional(self, inputs: Tensors, rows: int) -> None:
        """What may be left out is the same for all rows, in a row of its own, or has as many."""
        for name in inputs.keys() - {spec.name for spec in self.inputs}:
            spec = self.optional.get(name)
            if spec is None:
                raise InputError(f"no input '{name}'; there are {', '.join(self._input_names())}")
            shapes = [(count, *spec.shape[1:]) for count in (1, rows)]
            if inputs[name].dtype != spec.dtype or inputs[name].shape not in shapes:
                raise InputError(f"{spec.wanted}, not {inputs[name].dtype} of {list(inputs[name].shape)}")

    def _input_names(self) -> list[str]:
        return [*(spec.name for spec in self.inputs), *self.optional]

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """All outputs by name for well-formed inputs; may be called from several threads at once.

        Raises:
            ModelFailedError: onnxruntime could not compute them.
        """
        try:
            answers = self.session.run(self.output_names, inputs)
        except ONNXRUNTIME_ERRORS as error:
            raise ModelFailedError(f"{self.name}: onnxruntime could not compute these inputs: {error}") from None
        return dict(zip(self.output_names, answers, strict=True))

    def predict(self, row: object) -> dict[str, Any]:
        """The answer for people to one raw row, as nested lists; raises `InputError`."""
        outputs = self.run({self.input.name: rows_of([row], self.input)})
        if not finite(outputs):
            raise InputError(f"{self.input.name}: values so large that the model has no answer")
        return self.answer(outputs, 0)

    def answer(self, outputs: Tensors, row: int) -> dict[str, Any]:
        """For people: a row's class by name and every class' probability, or all outputs as lists."""
        if not self.classes:
            return {name: output[row].tolist() for name, output in outputs.items()}
        likely = outputs["probabilities"][row].tolist()
        return {
            "label": self.classes[outputs["label"][row]],
            "probabilities": dict(zip(self.classes, likely, strict=True)),
        }


def _options() -> onnxruntime.SessionOptions:
    """One thread: the server's lanes are what runs side by side, and threads that spin would take their cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; it warns of every input that has a default
    return options


def _rows(spec: TensorSpec, array: NDArray[Any] | None) -> int:
    if array is None:
        raise InputError(f"{spec.wanted}, which is missing")
    if array.dtype != spec.dtype or array.shape[1:] != spec.shape[1:] or not array.shape[0]:
        raise InputError(f"{spec.wanted}, not {array.dtype} of {list(array.shape)}")
    return len(array)


def finite(outputs: Tensors) -> bool:
    return all(np.isfinite(output).all() for output in outputs.values() if output.dtype.kind == "f")


def load_model(name: str, path: Path, proof: Path) -> ServedModel:
    """The model in the file at `path`, if `proof` is about these very bytes.

    Raises:
        PenstockError: it has not passed its gates, the file is not the one that did, or it is no ONNX file.
    """
    if not proof.is_file():
        raise PenstockError(f"{name}: has not passed its gates, so it is not served; `dvc repro` says which")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != _proven(read_json(proof)):
        raise PenstockError(f"{path}: not the file that was validated; run `dvc repro`")
    try:
        return ServedModel(name, content)
    except ONNXRUNTIME_ERRORS as error:
        raise PenstockError(f"{path}: onnxruntime does not load it: {error}") from None


def _proven(proof: Mapping[str, Any]) -> str | None:
    return proof.get("sha256")
