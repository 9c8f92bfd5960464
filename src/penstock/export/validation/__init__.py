"""The proof: raw inputs through onnxruntime, held against what was trained and against the gates.

`validate` compares the answers of the file and of the network at several batch sizes, whatever they are; what the
answers are worth is judged by the module here that has the task's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from penstock.config.models import Model
from penstock.data.datasets import load_dataset, part_behind
from penstock.errors import GateError
from penstock.export.parity import BATCH_SIZES, difference, exported_answers, trained_answers
from penstock.export.session import open_model
from penstock.export.validation import texts
from penstock.export.validation.evidence import Check, Evidence, Judgement, Material
from penstock.export.validation.int8 import judge_candidate
from penstock.files import sha256
from penstock.networks.servable import Servable


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


def validate(
    name: str,
    model: Model,
    network: Servable,
    material: Material,
    path: Path,
    int8: Path,
) -> Validation:
    """Runs the raw test split, or what the task takes instead of it, through `path` and compares with `network`.

    Args:
        network: with the trained weights in it.
        int8: the quantised candidate of `path`.
    """
    processed = material.processed
    parts = load_dataset(model.dataset).read(material.raw)
    test = part_behind(parts, "test")[processed.rows("test")]
    task = import_module(f"{__name__}.{model.task}")
    inputs, processed_inputs = task.questions(test, processed.split("test"), network)

    trained = trained_answers(network, processed_inputs)
    session = open_model(path)
    exported = {size: exported_answers(session, inputs, size) for size in BATCH_SIZES}
    answers = exported[BATCH_SIZES[-1]]
    differences = [difference(one, trained) for one in exported.values()]
    checks = {}
    report: dict[str, Any] = {}
    if processed.manifest.kind == "text":
        differences.append(texts.difference_at_extremes(session, network, processed))
        share, count = texts.equal_token_ids(path, network, processed, parts)
        checks["token_ids"] = Check(share, 1.0, at_least=True)
        report["token_ids"] = {"equal": share, "texts": count}
    parity = {"max_abs_diff": max(differences)}
    checks["parity"] = Check(parity["max_abs_diff"], model.gates.parity, at_least=False)
    if "label" in answers:
        parity["agreement"] = min(float((one["label"] == trained["label"]).mean()) for one in exported.values())
        checks["agreement"] = Check(parity["agreement"], 1.0, at_least=True)

    evidence = Evidence(material, network, path, session, test, inputs, answers)
    judgement: Judgement = task.judge(model, evidence)
    candidate = judge_candidate(model, evidence, int8, task.figure, judgement.test)
    checks = {**judgement.checks, **checks, **candidate.gates}
    return Validation(
        {
            "model": name,
            "dataset": model.dataset,
            "samples": len(inputs),
            "test": judgement.test,
            "baseline": {"name": model.baseline, **judgement.baseline},
            "parity": {**parity, "batch_sizes": list(BATCH_SIZES)},
            "onnx": {"bytes": path.stat().st_size, "sha256": sha256(path)},
            "int8": candidate.report,
            **report,
            **judgement.details,
            "gate": {
                "passed": all(check.passed for check in checks.values()),
                "checks": {gate: check.report() for gate, check in checks.items()},
            },
        },
        checks,
        inputs,
        judgement.examples,
    )
