"""Define the inputs and results of a task's evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import onnxruntime
from numpy.typing import NDArray

from penstock.config.data import DatasetConfig
from penstock.config.models import ModelConfig
from penstock.data.sources.rows import RawSplit
from penstock.evaluation.session import Outputs
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import read_json
from penstock.io.processed_dataset import ArraySplit, ProcessedDataset
from penstock.models.common.base import ExportableModel


class Metric(NamedTuple):
    """Name and value of a task's primary metric."""

    name: str
    value: float


@dataclass(frozen=True)
class EvaluationInputs:
    """Inputs of an evaluation besides the model."""

    processed: ProcessedDataset
    """Processed dataset."""
    dataset: DatasetConfig
    """Settings of the dataset."""
    raw: Path
    """Folder of the raw files of the dataset."""
    baseline: Path
    """Folder of the baseline."""
    artifacts: Mapping[str, NDArray[Any]]
    """Arrays for reports, saved by training."""

    def baseline_metrics(self) -> dict[str, Any]:
        return read_json(self.baseline / "baseline.json")


@dataclass(frozen=True)
class Predictions:
    """Exported file and its outputs for the test inputs."""

    evaluation_inputs: EvaluationInputs
    """Dataset, baseline and training artifacts."""
    network: ExportableModel
    """Trained network, the source of the export."""
    path: Path
    """The exported file."""
    session: onnxruntime.InferenceSession
    """Session of the exported file."""
    test: RawSplit
    """Raw test split."""
    inputs: NDArray[Any]
    """Raw inputs of the file."""
    outputs: Outputs
    """Outputs of the file by name, each [rows, ...]."""

    @property
    def info(self) -> DatasetInfo:
        return self.evaluation_inputs.processed.info


@dataclass(frozen=True)
class TaskResult:
    """Evaluation results of a task."""

    test: Mapping[str, float]
    """Metrics of the test split, the primary one first."""
    baseline: Mapping[str, float]
    """Metrics of the baseline."""
    per_class: Sequence[Mapping[str, Any]]
    """Rows of per_class.csv."""
    examples: Mapping[str, NDArray[Any]]
    """Arrays for figures."""
    parity: Mapping[str, float] = field(default_factory=dict)
    """Comparisons of the file with the network that are specific to this task."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """More sections of validation.json: `slices`, `reliability`, `worst_errors`, `behaviour`."""


class TaskEvaluation(Protocol):
    """Interface of the `evaluation` module of each package in penstock.tasks."""

    def eval_inputs(
        self, test: RawSplit, processed: ArraySplit, network: ExportableModel
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the raw inputs of the file and the processed inputs of the network, with matching rows."""
        ...

    def primary_metric(self, predictions: Predictions) -> Metric:
        """Compute the primary metric of the task."""
        ...

    def evaluate(self, model: ModelConfig, predictions: Predictions) -> TaskResult:
        """Compute all results of the task."""
        ...
