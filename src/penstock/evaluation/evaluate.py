"""The proof: raw inputs through onnxruntime, held against what was trained and against the gates.

`evaluate` compares the answers of the file and of the network at several batch sizes, whatever they are; what the
answers are worth is judged by the module here that has the task's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from penstock.config.models import ModelConfig
from penstock.core.errors import GateError
from penstock.data.datasets.base import load_dataset, raw_split_for
from penstock.evaluation import tokenizer_parity
from penstock.evaluation.int8 import judge_candidate
from penstock.evaluation.parity import BATCH_SIZES, difference, exported_answers, trained_answers
from penstock.evaluation.results import Check, EvaluationInputs, Predictions, TaskResult
from penstock.evaluation.session import open_model
from penstock.io.files import sha256
from penstock.models.common.base import ExportableModel


@dataclass(frozen=True)
class Validation:
    """What was found. `report` is validation.json; `inputs` are the raw ones that were run; `examples` are arrays for
    figures."""

    report: dict[str, Any]
    checks: Mapping[str, Check]
    inputs: NDArray[Any]
    examples: Mapping[str, NDArray[Any]]

    def require_gates(self, block: str) -> None:
        """Raises `GateError` with a line for each gate that was missed, and by how much.

        Args:
            block: of params.yaml that the model stands in.
        """
        place = f"{block}.{self.report['model']}.gates"
        missed = [f"{place}: {gate}: {check}" for gate, check in self.checks.items() if not check.passed]
        if missed:
            raise GateError("\n".join(missed))


def evaluate(
    name: str,
    model: ModelConfig,
    network: ExportableModel,
    evaluation_inputs: EvaluationInputs,
    path: Path,
    int8: Path,
) -> Validation:
    """Runs the raw test split, or what the task takes instead of it, through `path` and compares with `network`.

    Args:
        network: with the trained weights in it.
        int8: the quantised candidate of `path`.
    """
    processed = evaluation_inputs.processed
    parts = load_dataset(model.dataset).read(evaluation_inputs.raw)
    test = raw_split_for(parts, "test")[processed.rows("test")]
    task = import_module(f"penstock.tasks.{model.task}.evaluation")
    inputs, processed_inputs = task.eval_inputs(test, processed.split("test"), network)

    trained = trained_answers(network, processed_inputs)
    session = open_model(path)
    exported = {size: exported_answers(session, inputs, size) for size in BATCH_SIZES}
    answers = exported[BATCH_SIZES[-1]]
    differences = [difference(one, trained) for one in exported.values()]
    checks = {}
    report: dict[str, Any] = {}
    if processed.info.kind == "text":
        differences.append(tokenizer_parity.difference_at_extremes(session, network, processed))
        share, count = tokenizer_parity.equal_token_ids(path, network, processed, parts)
        checks["token_ids"] = Check(share, 1.0, at_least=True)
        report["token_ids"] = {"equal": share, "texts": count}
    parity = {"max_abs_diff": max(differences)}
    checks["parity"] = Check(parity["max_abs_diff"], model.gates.parity, at_least=False)
    if "label" in answers:
        parity["agreement"] = min(float((one["label"] == trained["label"]).mean()) for one in exported.values())
        checks["agreement"] = Check(parity["agreement"], 1.0, at_least=True)

    predictions = Predictions(evaluation_inputs, network, path, session, test, inputs, answers)
    result: TaskResult = task.evaluate(model, predictions)
    candidate = judge_candidate(model, predictions, int8, task.primary_metric, result.test)
    checks = {**result.checks, **checks, **candidate.gates}
    return Validation(
        {
            "model": name,
            "dataset": model.dataset,
            "samples": len(inputs),
            "test": result.test,
            "baseline": {"name": model.baseline, **result.baseline},
            "parity": {**parity, "batch_sizes": list(BATCH_SIZES)},
            "onnx": {"bytes": path.stat().st_size, "sha256": sha256(path)},
            "int8": candidate.report,
            **report,
            **result.details,
            "gate": {
                "passed": all(check.passed for check in checks.values()),
                "checks": {gate: check.report() for gate, check in checks.items()},
            },
        },
        checks,
        inputs,
        result.examples,
    )
