"""The inputs and outputs of a model: all that parsing a request needs, also in another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.codecs.json import array_from_rows
from penstock.serving.codecs.tensors import Tensors, TensorSpec
from penstock.serving.errors import InputError
from penstock.serving.runtime.text_cut import MAX_UNCUT, TextCut, check_length

_NOTHING = np.empty(0, dtype=object)


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

    def arrays_from_row(self, row: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """Convert nested lists by input name to arrays of one row.

        Raises:
            InputError: They do not fit the model.
        """
        if row.keys() != {spec.name for spec in self.inputs}:
            raise InputError(f"expected {self.expected_row}")
        return {
            spec.name: array_from_rows([row[spec.name]] if spec.shape else row[spec.name], spec) for spec in self.inputs
        }

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
