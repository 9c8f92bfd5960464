"""Model files that are compared, and the records of their training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import onnxruntime

from penstock.core.errors import ComparisonError, first_line
from penstock.evaluation.session import open_session
from penstock.io.files import sha256
from penstock.io.provenance import Provenance

Task = Literal["classification", "regression", "multilabel", "reconstruction", "generation"]
TASKS: dict[str, Task] = {
    "label": "classification",
    "labels": "multilabel",
    "prediction": "regression",
    "reconstruction": "reconstruction",
    "image": "generation",
}
"""Task by an output that only its models have."""


class Record(NamedTuple):
    """Record of a model's training."""

    parameters: Mapping[str, str] | None
    """Settings by dotted key; None if they are not known."""
    metrics: Mapping[str, float]
    """Metrics by their names in MLflow."""


@dataclass(frozen=True)
class Candidate:
    """A model file that is compared."""

    reference: str
    """How the user named it."""
    path: Path
    """The ONNX file."""
    source: str
    """Where the file comes from, for readers."""

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        try:
            return open_session(self.path)
        except Exception as error:  # noqa: BLE001  (onnxruntime's errors have no common class)
            raise ComparisonError(
                f"{self.reference}: onnxruntime cannot load {self.source}: {first_line(error)}"
            ) from None

    @cached_property
    def metadata(self) -> dict[str, str]:
        return dict(self.session.get_modelmeta().custom_metadata_map)

    @property
    def dataset(self) -> str:
        return self._of_metadata("dataset")

    @property
    def provenance(self) -> Provenance:
        return Provenance(**{one.name: self._of_metadata(one.name) for one in fields(Provenance)})

    def _of_metadata(self, key: str) -> str:
        if key not in self.metadata:
            raise ComparisonError(
                f"{self.reference}: its metadata do not have `{key}`; only files that Penstock exported are compared"
            )
        return self.metadata[key]

    @property
    def classes(self) -> list[str]:
        return list(json.loads(self.metadata.get("classes", "[]")))

    @property
    def is_int8(self) -> bool:
        return self.metadata.get("precision") == "int8"

    @cached_property
    def task(self) -> Task:
        names = [output.name for output in self.session.get_outputs()]
        found = [task for name, task in TASKS.items() if name in names]
        if not found:
            raise ComparisonError(f"{self.reference}: none of its outputs ({', '.join(names)}) can be compared")
        return found[0]

    @cached_property
    def sha256(self) -> str:
        return sha256(self.path)

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size
