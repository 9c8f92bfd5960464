"""Define what a task's evaluation receives and returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import onnxruntime
from numpy.typing import NDArray

from penstock.data.datasets.base import RawSplit
from penstock.evaluation.session import Outputs
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import read_json
from penstock.io.processed_dataset import ArraySplit, ProcessedDataset
from penstock.models.common.base import ExportableModel


class Metric(NamedTuple):
    """The name and value of the metric that a task is compared by."""

    name: str
    value: float


@dataclass(frozen=True)
class EvaluationInputs:
    """What an evaluation reads besides the model."""

    processed: ProcessedDataset
    raw: Path
    """Folder of the dataset's raw files."""
    baseline: Path
    """Folder of the baseline that the score is compared with."""
    artifacts: Mapping[str, NDArray[Any]]
    """Arrays that training left to be shown."""

    def baseline_metrics(self) -> dict[str, Any]:
        return read_json(self.baseline / "baseline.json")


@dataclass(frozen=True)
class Predictions:
    """An exported file and its outputs for the test inputs."""

    evaluation_inputs: EvaluationInputs
    network: ExportableModel
    """The trained network that the file was exported from."""
    path: Path
    session: onnxruntime.InferenceSession
    test: RawSplit
    inputs: NDArray[Any]
    outputs: Outputs

    @property
    def info(self) -> DatasetInfo:
        return self.evaluation_inputs.processed.info


@dataclass(frozen=True)
class TaskResult:
    """What a task measured."""

    test: Mapping[str, float]
    """Metrics of the test split, the primary one first."""
    baseline: Mapping[str, float]
    """Metrics of the baseline."""
    per_class: Sequence[Mapping[str, Any]]
    """Rows of per_class.csv."""
    examples: Mapping[str, NDArray[Any]]
    """Arrays for figures."""
    parity: Mapping[str, float] = field(default_factory=dict)
    """Comparisons of the file with the network that only this task makes."""


class TaskEvaluation(Protocol):
    """The module `evaluation` of a package in penstock.tasks."""

    def eval_inputs(
        self, test: RawSplit, processed: ArraySplit, network: ExportableModel
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the raw inputs of the file and the processed inputs of the network, row by row the same."""
        ...

    def primary_metric(self, predictions: Predictions) -> Metric:
        """Return the metric that the task is compared by."""
        ...

    def evaluate(self, model: Any, predictions: Predictions) -> TaskResult:  # noqa: ANN401
        """Return everything that the task measures."""
        ...
