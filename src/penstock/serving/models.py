"""A model that may be served: its file is the one that passed the gates, byte for byte."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state

from penstock.core.errors import PenstockError
from penstock.core.model_files import DIGESTS, INT8, ORIGIN
from penstock.io.files import read_json
from penstock.serving.json_values import rows_of
from penstock.serving.plan import ROW_BY_ROW
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
    and what else is known of where it comes from; classes: names, none where the model is no classifier; plan: how it
    is best run, once that is measured.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.digest = hashlib.sha256(content).hexdigest()
        self.version = self.digest[:12]
        self.session = onnxruntime.InferenceSession(content, _options(), providers=["CPUExecutionProvider"])
        self.inputs = [TensorSpec.of(node) for node in self.session.get_inputs()]
        self.optional = {node.name: TensorSpec.of(node) for node in self.session.get_overridable_initializers()}
        self.specs = {spec.name: spec for spec in self.inputs} | self.optional
        self.outputs = [TensorSpec.of(node) for node in self.session.get_outputs()]
        self.output_names = [spec.name for spec in self.outputs]
        self.answered_in_json = dict.fromkeys(self.output_names, False)
        self._float_outputs = [spec.name for spec in self.outputs if spec.datatype == "FP32"]
        self.metadata: dict[str, Any] = dict(self.session.get_modelmeta().custom_metadata_map)
        self.classes: list[str] = json.loads(self.metadata.pop("classes", "[]"))
        self.plan = ROW_BY_ROW

    @property
    def row_by_row(self) -> bool:
        """Whether rows of one run would change each other's answers: int8 is scaled by what is in the run."""
        return self.metadata.get("precision") == "int8"

    @property
    def input(self) -> TensorSpec:
        """The first input; none of our models has another one without a value of its own."""
        return self.inputs[0]

    def rows(self, inputs: Tensors) -> int:
        """How many rows well-formed inputs have.

        Raises:
            InputError: an input is missing or unknown, or has another dtype or shape than the model wants.
        """
        rows = _rows(self.inputs[0], inputs)
        for spec in self.inputs[1:]:
            if _rows(spec, inputs) != rows:
                raise InputError(f"{spec.name}: wants as many rows as {self.inputs[0].name}, {rows}")
        if len(inputs) > len(self.inputs):
            self._check_optional(inputs, rows)
        return rows

    def _check_optional(self, inputs: Tensors, rows: int) -> None:
        """What may be left out is the same for all rows, in a row of its own, or has as many."""
        for name in inputs.keys() - {spec.name for spec in self.inputs}:
            spec = self.optional.get(name)
            if spec is None:
                raise InputError(f"no input '{name}'; there are {', '.join(self.specs)}")
            _check_dtype(spec, inputs[name])
            if inputs[name].shape not in [(count, *spec.shape[1:]) for count in (1, rows)]:
                raise InputError(f"{spec.wanted}, not {list(inputs[name].shape)}")

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

    def without_answer(self, outputs: Tensors) -> NDArray[np.bool_] | None:
        """Which rows came out infinite or as no number; None where all are finite."""
        numbers = [outputs[name] for name in self._float_outputs]
        # An infinity or a nan anywhere is in the sum of squares as well. That of large numbers may be one too: then
        # each is looked at.
        if all(isfinite(np.vdot(output, output)) for output in numbers):
            return None
        finite = [np.isfinite(output).reshape(len(output), -1).all(axis=1) for output in numbers]
        refused: NDArray[np.bool_] = ~np.all(finite, axis=0)
        return refused if refused.any() else None

    def no_answer(self) -> InputError:
        return InputError(f"{self.input.name}: values so large that the model has no answer")

    def predict(self, row: object) -> dict[str, Any]:
        """The answer for people to one raw row, as nested lists; raises `InputError`."""
        outputs = self.run({self.input.name: rows_of([row], self.input)})
        if self.without_answer(outputs) is not None:
            raise self.no_answer()
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
    options.log_severity_level = 4  # what goes wrong is raised as well; and it warns of every input with a default
    return options


def _rows(spec: TensorSpec, inputs: Tensors) -> int:
    array = inputs.get(spec.name)
    if array is None:
        raise InputError(f"{spec.wanted}, which is missing")
    _check_dtype(spec, array)
    if array.ndim != len(spec.shape) or array.shape[1:] != spec.shape[1:] or not len(array):
        raise InputError(f"{spec.wanted}, not {list(array.shape)}")
    return len(array)


def _check_dtype(spec: TensorSpec, array: NDArray[Any]) -> None:
    if array.dtype != spec.dtype:
        raise InputError(f"{spec.wanted}, not {array.dtype}")


def load_model(name: str, path: Path, proof: Path) -> ServedModel:
    """The model in the file at `path`, if `proof` is about these very bytes.

    Raises:
        PenstockError: it has not passed its gates, the file is not the one that did, or it is no ONNX file.
    """
    if not proof.is_file():
        raise PenstockError(f"{name}: has not passed its gates, so it is not served; `dvc repro` says which")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != read_json(proof).get(DIGESTS[path.name]):
        raise PenstockError(f"{path}: not the file that was validated; run `dvc repro`")
    try:
        model = ServedModel(name, content)
    except ONNXRUNTIME_ERRORS as error:
        raise PenstockError(f"{path}: onnxruntime does not load it: {error}") from None
    except PenstockError as error:
        raise PenstockError(f"{path}: {error}") from None
    if (origin := path.with_name(ORIGIN)).is_file():
        model.metadata |= read_json(origin)
    return model


def is_adopted(proof: Path) -> bool | None:
    """Whether the int8 candidate may be served as well; None where the proof cannot be read."""
    with suppress(PenstockError, OSError, ValueError, RecursionError):
        return DIGESTS[INT8] in read_json(proof)
    return None
