"""Compare a model's outputs with those of a reference, an .npz file with arrays by input and by output."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import PenstockError
from penstock.core.plurals import counted
from penstock.serving.codecs.tensors import TensorSpec
from penstock.serving.errors import InputError
from penstock.serving.runtime.model import ServedModel

NUMBERS, TEXTS = "biuf", "US"  # kinds of numpy dtypes


class Tolerance(NamedTuple):
    """How far an output may be from its reference: `atol + rtol * |reference|`, as numpy has it."""

    relative: float
    absolute: float


def compare(model: ServedModel, path: Path, tolerance: Tolerance) -> list[str]:
    """Run a model on the inputs of a reference, and compare its outputs.

    Returns:
        One line for each output that agrees.

    Raises:
        PenstockError: The file is no reference of this model, or outputs disagree; one line for each of those.
    """
    arrays = _read(path)
    _check_names(model, path, arrays)
    inputs = {spec.name: _input(spec, arrays[spec.name], path) for spec in model.specs.values() if spec.name in arrays}
    try:
        model.rows(inputs)
    except InputError as error:
        raise PenstockError(f"{path}: {error}") from None
    outputs = model.run(inputs)
    compared = [
        _Comparison(spec, outputs[spec.name], arrays[spec.name]) for spec in model.outputs if spec.name in arrays
    ]
    if wrong := [line for one in compared if (line := one.disagreement(tolerance))]:
        raise PenstockError("\n".join(f"{path}: {line}" for line in wrong))
    return [one.agreement() for one in compared]


def _read(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise PenstockError(f"{path}: not an .npz file; write it by numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, zipfile.BadZipFile) as error:
        raise PenstockError(f"{path}: {error}; write texts as numpy.array([...], dtype=str)") from None


def _check_names(model: ServedModel, path: Path, arrays: Mapping[str, object]) -> None:
    known = ", ".join(model.output_names)
    for name in arrays.keys() - model.specs.keys() - set(model.output_names):
        raise PenstockError(f"{path}: '{name}' is no input ({model.input_names}) and no output ({known}) of the model")
    for spec in model.inputs:
        if spec.name not in arrays:
            raise PenstockError(f"{path}: the input '{spec.name}' is missing")
    if arrays.keys().isdisjoint(model.output_names):
        raise PenstockError(f"{path}: has no output of the model; add arrays named {known}")


def _input(spec: TensorSpec, array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Convert an input to the model's dtype, without a change of its values."""
    if (spec.datatype == "BYTES") != (array.dtype.kind in TEXTS):
        raise PenstockError(f"{path}: {spec.expected}, not {array.dtype}")
    if spec.datatype == "BYTES":
        return array.astype(str).astype(object)
    with np.errstate(over="ignore", invalid="ignore"):
        converted: NDArray[Any] = array.astype(spec.dtype)
    if not np.array_equal(converted, array, equal_nan=converted.dtype.kind == "f"):
        raise PenstockError(f"{path}: {spec.expected}; save it as {spec.dtype}, since {array.dtype} has other values")
    return converted


class _Comparison:
    """An output and its reference."""

    def __init__(self, spec: TensorSpec, output: NDArray[Any], reference: NDArray[Any]) -> None:
        self.name = spec.name
        self.output = output.astype(str) if spec.datatype == "BYTES" else output
        # A regressor of scikit-learn predicts [rows]; its ONNX file answers [rows, 1].
        is_same = np.squeeze(output).shape == np.squeeze(reference).shape
        self.reference = reference.reshape(output.shape) if is_same else reference

    def disagreement(self, tolerance: Tolerance) -> str:
        """Return how the output differs; empty if it does not."""
        output, reference = self.output, self.reference
        if output.shape != reference.shape:
            return f"{self.name}: the model has the shape {list(output.shape)}, the reference {list(reference.shape)}"
        if (output.dtype.kind in TEXTS) != (reference.dtype.kind in TEXTS):
            return f"{self.name}: the model has {output.dtype}, the reference {reference.dtype}"
        wrong = ~self._equal(tolerance)
        if not wrong.any():
            return ""
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        ours, theirs = output[place].item(), reference[place].item()
        count = f"{int(wrong.sum()):,} of {counted(wrong.size, 'value')} {'differs' if wrong.sum() == 1 else 'differ'}"
        return f"{self.name}: {count}{self._by()}; at {list(place)} the model has {ours!r}, the reference {theirs!r}"

    def agreement(self) -> str:
        """Return what agrees."""
        return f"{self.name}: {counted(self.output.size, 'value agrees', 'values agree')}{self._by()}"

    def _equal(self, tolerance: Tolerance) -> NDArray[np.bool_]:
        if not self._is_float:
            return np.asarray(self.output == self.reference)
        near = np.isclose(self.output, self.reference, tolerance.relative, tolerance.absolute, equal_nan=True)
        return np.asarray(near)

    @property
    def _is_float(self) -> bool:
        return "f" in (self.output.dtype.kind, self.reference.dtype.kind)

    def _by(self) -> str:
        """Return the largest difference of floating-point outputs."""
        if not self._is_float:
            return ""
        with np.errstate(invalid="ignore"):
            differences = np.abs(self.output.astype(np.float64) - self.reference)
        return f", by up to {np.max(differences, initial=0, where=~np.isnan(differences)):.2g}"
