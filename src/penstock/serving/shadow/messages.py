"""What the server and the process of a challenger tell each other; pickled, since both ends are of this program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.serving.codecs.tensors import Tensors, TensorSpec
from penstock.serving.runtime.model import ServedModel
from penstock.serving.shadow.agreement import Agreement


@dataclass(frozen=True)
class Source:
    """Where a challenger is, and how it is loaded: the first message to its process."""

    model: str
    """Name of the served model."""
    path: Path
    """ONNX file, or folder with one; it may come, go and change at any time."""
    allow_unvalidated: bool = False
    attestation_key: Path | None = None


@dataclass(frozen=True)
class Form:
    """What two models must have in common to be compared."""

    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    classes: Sequence[str]

    @classmethod
    def of(cls, model: ServedModel) -> Form:
        return cls(model.inputs, model.outputs, model.classes or model.label_names)


@dataclass(frozen=True)
class Challenger:
    """The model that the process has loaded."""

    version: str
    form: Form


@dataclass(frozen=True)
class Look:
    """Asks for the present challenger; it is loaded first if its file has changed."""


@dataclass(frozen=True)
class Found:
    """The answer to `Look`."""

    challenger: Challenger | None
    problem: str = ""
    """Why there is no challenger."""


@dataclass(frozen=True)
class Sample:
    """A request to run, with the champion's answer."""

    inputs: Tensors
    outputs: Tensors
    whole: bool
    """Whether the champion answers a request as a whole, not row by row."""


@dataclass(frozen=True)
class Result:
    """The answer to `Sample`."""

    seconds: float
    """CPU time of the challenger's run."""
    agreement: Agreement


@dataclass(frozen=True)
class Failure:
    """The answer to a sample that the challenger could not compute."""

    reason: str
