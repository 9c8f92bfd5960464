"""What a judge of answers is given, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import onnxruntime
from numpy.typing import NDArray

from penstock.data.datasets.base import RawSplit
from penstock.evaluation.parity import Answers
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import read_json
from penstock.io.processed_dataset import ProcessedDataset
from penstock.models.common.base import ExportableModel


@dataclass(frozen=True)
class Check:
    """A gate: `value` must be at least (or at most) `limit`."""

    value: float
    limit: float
    at_least: bool

    @property
    def passed(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def report(self) -> dict[str, Any]:
        return {"value": self.value, "limit": self.limit, "passed": self.passed}

    def __str__(self) -> str:
        wanted = "at least" if self.at_least else "at most"
        return f"{self.value:g}, {wanted} {self.limit:g}, missed by {abs(self.value - self.limit):.2g}"


class Metric(NamedTuple):
    """What answers to a task are judged by: its name, what it is of some answers, and whether more of it is better."""

    name: str
    value: float
    greater_is_better: bool


@dataclass(frozen=True)
class EvaluationInputs:
    """What a validation draws on besides the model.

    raw: folder of the dataset's raw files; baseline: folder of what the score is held against; training: training.json
    of the same model; shown: what training left to be shown.
    """

    processed: ProcessedDataset
    raw: Path
    baseline: Path
    training: Mapping[str, Any]
    shown: Mapping[str, NDArray[Any]]

    def baseline_figures(self) -> dict[str, Any]:
        return read_json(self.baseline / "baseline.json")


@dataclass(frozen=True)
class Predictions:
    """network: the trained one; path, session: of the exported file; test: the raw test split; inputs, answers: what
    the session was asked, and what it answered."""

    evaluation_inputs: EvaluationInputs
    network: ExportableModel
    path: Path
    session: onnxruntime.InferenceSession
    test: RawSplit
    inputs: NDArray[Any]
    answers: Answers

    @property
    def info(self) -> DatasetInfo:
        return self.evaluation_inputs.processed.info


@dataclass(frozen=True)
class TaskResult:
    """test: figures on test data; baseline: the same figures of the baseline; checks: the gates of the task; details:
    more for validation.json; examples: arrays for figures."""

    test: Mapping[str, Any]
    baseline: Mapping[str, Any]
    checks: Mapping[str, Check]
    examples: Mapping[str, NDArray[Any]]
    details: Mapping[str, Any] = field(default_factory=dict)
