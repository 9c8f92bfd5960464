"""The inputs and outputs of a model: all that parsing a request needs, also in another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import nearest
from penstock.serving.codecs.json import array_from_rows, array_from_values
from penstock.serving.codecs.tensors import Tensors, TensorSpec
from penstock.serving.errors import InputError
from penstock.serving.runtime.columns import Column, is_single_value
from penstock.serving.runtime.text_cut import MAX_UNCUT, TextCut, check_length

_NOTHING = np.empty(0, dtype=object)
MAX_SHOWN = 60  # characters of a wrong value
# What a value must be, for messages.
_NOUNS = {"BOOL": "true or false", "BYTES": "a text", "FP16": "a number", "FP32": "a number", "FP64": "a number"}
# What a gap is filled with until `missing` of its column takes the place.
_FILLERS: dict[str, Any] = {"BOOL": False, "BYTES": ""}


@dataclass(frozen=True)
class Signature:
    """Names, types and shapes of a model's tensors, and how its texts are cut. It can be pickled."""

    inputs: Sequence[TensorSpec]
    """Required inputs."""
    specs: Mapping[str, TensorSpec]
    """All inputs by name."""
    default_outputs: Mapping[str, bool]
    """Outputs of a request that names none: all of them, as JSON."""
    description: str
    """What the file says of its input; empty if it says nothing."""
    text_cut: TextCut | None
    """How texts are cut; None if the words that the model reads are not known."""
    text_inputs: Sequence[str]
    """Names of the inputs that are text."""
    columns: Sequence[Column] = ()
    """The columns of the rows."""

    @property
    def input_names(self) -> str:
        """Names of all inputs, for messages."""
        return ", ".join(self.specs) or "none"

    @property
    def expected_row(self) -> str:
        """What `arrays_from_row` takes, for messages."""
        names = ", ".join(f'"{spec.name}": ...' for spec in self.inputs)
        tensors = "; ".join(f"{spec.name}: {spec.datatype} of shape {list(spec.shape)}" for spec in self.inputs)
        return f"{{{names}}}: {self.description or tensors}" if names else "{}: the model has no inputs"

    @cached_property
    def is_table(self) -> bool:
        """Whether a row is an object of columns: several inputs, or one with one number per row."""
        return len(self.inputs) > 1 or [spec.shape for spec in self.inputs] == [(-1, 1)]

    def arrays_from_row(self, row: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """Convert nested lists by input name to arrays of one row; a column [rows, 1] takes its value without a list.

        Raises:
            InputError: They do not fit the model.
        """
        if self.is_table:
            return self._arrays([self._completed(row)])
        if row.keys() != {spec.name for spec in self.inputs}:
            raise InputError(f"expected {self.expected_row}")
        return {
            spec.name: array_from_rows([row[spec.name]] if spec.shape else row[spec.name], spec) for spec in self.inputs
        }

    def arrays_from_rows(self, rows: object, key: str) -> dict[str, NDArray[Any]]:
        """Convert a list of rows, each as `arrays_from_row` takes it.

        Args:
            rows: The rows.
            key: Where they are, for messages.

        Raises:
            InputError: One does not fit the model.
        """
        if not isinstance(rows, list) or not rows or not self.inputs:
            raise InputError(f"{key}: expected a list of rows, each {self.expected_row}")
        try:
            return self._arrays([self._completed(row) for row in rows])
        except InputError:
            self._raise_at(rows, key)

    def _raise_at(self, rows: list[Any], key: str) -> NoReturn:
        """Raise the error of the first row that does not fit the model."""
        for place, row in enumerate(rows):
            try:
                self._arrays([self._completed(row)])
            except InputError as error:
                raise InputError(f"{key}[{place}]: {error}") from None
        raise InputError(f"{key}: the rows differ in their sizes")

    def _arrays(self, rows: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
        """Convert complete rows, column by column."""
        return {spec.name: self._array([row[spec.name] for row in rows], spec) for spec in self.inputs}

    def _array(self, values: list[Any], spec: TensorSpec) -> NDArray[Any]:
        if not is_single_value(spec):
            return array_from_rows(values if spec.shape else values[0], spec)
        flat = [value[0] if type(value) is list and len(value) == 1 else value for value in values]
        if spec.name in self._booleans:
            flat = [str(value).lower() if isinstance(value, bool) else value for value in flat]
        gaps = [place for place, value in enumerate(flat) if value is None]
        for place in gaps:
            flat[place] = _FILLERS.get(spec.datatype, 0)
        try:
            array = array_from_values(flat, spec)
        except InputError:
            raise InputError(_wrong_value(flat, spec)) from None
        if gaps:
            array = array.copy()
            array[gaps] = self._missing[spec.name]
        return array.reshape(len(flat), *spec.shape[1:])

    @cached_property
    def _names(self) -> list[str]:
        return [spec.name for spec in self.inputs]

    @cached_property
    def _name_set(self) -> set[str]:
        return set(self._names)

    @cached_property
    def _missing(self) -> dict[str, Any]:
        """What a missing value is, by input; inputs that require a value are not there."""
        whole = (column for column in self.columns if column.place is None)
        return {column.input: column.missing for column in whole if column.missing is not None}

    @cached_property
    def _booleans(self) -> set[str]:
        """Inputs that take `true` and `false` as texts."""
        return {column.input for column in self.columns if column.place is None and column.is_boolean}

    def _completed(self, row: object) -> dict[str, Any]:
        """Return a row with None for each missing value that the model knows.

        Raises:
            InputError: It is no row, has a column that the model has not, or a value is missing.
        """
        if not isinstance(row, dict):
            raise InputError(f"expected {self.expected_row}")
        if row.keys() == self._name_set and None not in row.values():
            return row
        for name in row.keys() - self._name_set:
            hint = match if "did you mean" in (match := nearest(name, self._names)) else ""
            raise InputError(f"no column '{name}'{hint}; expected {self.expected_row}")
        missing = [name for name in self._names if row.get(name) is None]
        if required := [name for name in missing if name not in self._missing]:
            raise InputError(f"missing: {', '.join(required)}; expected {self.expected_row}")
        return row | dict.fromkeys(missing)

    def needs_cut(self, inputs: Tensors) -> bool:
        """Return whether a text is too long to be run as it is."""
        return any(len(text) > MAX_UNCUT for name in self.text_inputs for text in inputs.get(name, _NOTHING).flat)

    def cut_texts(self, inputs: Tensors) -> Tensors:
        """Return the inputs with each text cut to the words that the model reads; its outputs stay the same.

        Raises:
            PayloadTooLargeError: A text is too long, and where the model reads it is not known.
        """
        if self.text_cut is not None:
            return {name: self.text_cut.cut_all(texts) for name, texts in inputs.items()}
        for name in self.text_inputs:
            for text in inputs.get(name, _NOTHING).flat:
                check_length(text)
        return inputs


def _wrong_value(values: list[Any], spec: TensorSpec) -> str:
    """Return the message about the first value that is not of the type of a column."""
    for value in values:
        try:
            array_from_values([value], spec)
        except InputError:
            text = repr(value) if not isinstance(value, bool) else str(value).lower()
            shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
            return f"{spec.name}: expected {expected_value(spec)}, not {shown}"
    return f"{spec.expected}; these values are not"


def expected_value(spec: TensorSpec) -> str:
    """Return what a value of a tensor must be, for messages."""
    return _NOUNS.get(spec.datatype) or f"an integer of type {spec.datatype}"
