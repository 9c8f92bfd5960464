"""Evaluate an exported file on raw test inputs in onnxruntime, and compare it with the trained network.

The comparison is the same for every task. The `evaluation` module of each task computes its metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from penstock.config.models import ModelConfig
from penstock.core.paths import ModelFiles
from penstock.data.sources.read import read_dataset
from penstock.data.sources.rows import part_for
from penstock.evaluation import tokenizer_parity
from penstock.evaluation.int8 import evaluate_int8
from penstock.evaluation.parity import LABELS, agreement, in_deviations, max_abs_diff, network_outputs
from penstock.evaluation.results import EvaluationInputs, Predictions, TaskEvaluation
from penstock.evaluation.session import BATCH_SIZES, Outputs, onnx_outputs, open_model
from penstock.io.files import sha256
from penstock.models.common.base import ExportableModel


@dataclass(frozen=True)
class Evaluation:
    """Evaluation results of one model."""

    report: dict[str, Any]
    """Content of validation.json."""
    per_class: Sequence[Mapping[str, Any]]
    """Rows of per_class.csv."""
    inputs: NDArray[Any]
    """Raw test inputs."""
    examples: Mapping[str, NDArray[Any]]
    """Arrays for figures."""


def evaluate(
    files: ModelFiles,
    model: ModelConfig,
    task: TaskEvaluation,
    network: ExportableModel,
    evaluation_inputs: EvaluationInputs,
) -> Evaluation:
    """Run the test inputs of the task through the exported files and the network.

    Args:
        files: Files of the model. The exact and the int8 file are read.
        model: Settings of the model.
        task: The `evaluation` module of the model's task.
        network: Network with the trained weights.
        evaluation_inputs: Dataset, baseline and training artifacts.
    """
    processed = evaluation_inputs.processed
    parts = read_dataset(evaluation_inputs.dataset, evaluation_inputs.raw)
    test = part_for(parts, "test")[processed.rows("test")]
    inputs, processed_inputs = task.eval_inputs(test, processed.split("test"), network)

    trained = network_outputs(network, processed_inputs)
    session = open_model(files.onnx)
    exported = {size: onnx_outputs(session, inputs, size) for size in BATCH_SIZES}
    parity = _parity(
        [in_deviations(outputs, network) for outputs in exported.values()], in_deviations(trained, network)
    )
    if processed.info.kind == "text":
        extremes = tokenizer_parity.difference_at_extremes(session, network, processed)
        parity["max_abs_diff"] = max(parity["max_abs_diff"], extremes)
        parity["token_ids"] = tokenizer_parity.equal_token_ids(files.onnx, network, processed, parts)

    predictions = Predictions(evaluation_inputs, network, files.onnx, session, test, inputs, exported[BATCH_SIZES[-1]])
    result = task.evaluate(model, predictions)
    report = {
        "model": files.name,
        "dataset": model.dataset,
        "samples": len(inputs),
        "test": dict(result.test),
        "baseline": {"name": model.baseline, **result.baseline},
        "parity": parity | dict(result.parity),
        "onnx": {"bytes": files.onnx.stat().st_size, "sha256": sha256(files.onnx)},
        "int8": evaluate_int8(files.int8, predictions, task.primary_metric),
    } | dict(result.details)
    return Evaluation(report, result.per_class, inputs, result.examples)


def _parity(exported: Sequence[Outputs], trained: Outputs) -> dict[str, float]:
    """Compare the outputs at every batch size with those of the network, and return the worst values."""
    found = {"max_abs_diff": max(max_abs_diff(outputs, trained) for outputs in exported)}
    if trained.keys() & LABELS:
        found["agreement"] = min(agreement(outputs, trained) for outputs in exported)
    return found
