"""Prove one exported model on the raw test split, and register it: python pipelines/validate.py mnist_cnn"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from penstock.config.models import ModelConfig
from penstock.config.params import Config
from penstock.core.console import figures, stage_line
from penstock.core.paths import Project
from penstock.evaluation.evaluate import Validation, evaluate
from penstock.evaluation.parity import exported_answers
from penstock.evaluation.results import EvaluationInputs
from penstock.evaluation.session import measure_latency, open_model
from penstock.export.graph import read_model
from penstock.io.files import read_json, sha256, write_arrays, write_json
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.provenance import Provenance
from penstock.io.weights import load_weights, read_shown
from penstock.models.build import build_network
from penstock.orchestration.stage_runner import run_stage
from penstock.reporting.figures import figures_of
from penstock.tracking.model_version import ModelVersionContent
from penstock.tracking.run import track_model

EXAMPLE_ROWS = 3


def main(project: Project, config: Config, name: str) -> None:
    model = config.model(name)
    block = config.block_of_model(name)
    files = project.model(name, block)
    processed = ProcessedDataset(project.processed(model.dataset))
    network = build_network(model, processed.info)
    provenance = load_weights(files.weights, network)

    with track_model(project, config, provenance) as run:
        found = evaluate(
            name,
            model,
            network,
            EvaluationInputs(
                processed=processed,
                raw=project.raw(model.dataset),
                baseline=project.baseline(model.baseline),
                training=read_json(files.training_report),
                shown={shown: tensor.numpy() for shown, tensor in read_shown(files.weights).items()},
            ),
            files.onnx,
            files.int8,
        )
        latency = measure_latency(open_model(files.onnx), found.inputs)
        int8_latency = measure_latency(open_model(files.int8), found.inputs, [1])
        write_json(files.validation_report, found.report)
        write_json(files.latency_report, {"median_milliseconds": latency, "int8_median_milliseconds": int8_latency})
        write_arrays(files.examples, found.examples)

        run.log_validation(_metrics(found, latency, int8_latency), _gates(found, model), found.report["onnx"]["sha256"])
        for figure, content in figures_of(found.report, found.examples, processed.info.classes).items():
            run.log_file(figure, content)
        found.require_gates(block)
        write_json(files.proof, _proof(found, provenance))
        run.register(_registrable(name, files.onnx, found, provenance))
        if found.report["int8"]["adopted"]:
            run.register(_registrable(f"{name}.int8", files.int8, found, provenance))

    report = found.report
    stage_line(
        "validate",
        name,
        f"{figures(report['test'])} on {report['samples']:,} samples, parity "
        f"{report['parity']['max_abs_diff']:.1e}, all gates passed -> {project.shown(files.validation_report)}",
    )


def _proof(found: Validation, provenance: Provenance) -> dict[str, str]:
    """The files that may be served: the exact one, and an int8 candidate that is adopted."""
    int8 = found.report["int8"]
    adopted = {"int8_sha256": int8["sha256"]} if int8["adopted"] else {}
    return {"sha256": found.report["onnx"]["sha256"], **adopted, **asdict(provenance)}


def _metrics(found: Validation, latency: dict[str, float], int8_latency: dict[str, float]) -> dict[str, float]:
    report = found.report
    metrics = {f"{section}/{name}": value for section in SECTIONS for name, value in _numbers(report[section])}
    metrics |= {f"latency/{size}_ms": milliseconds for size, milliseconds in latency.items()}
    metrics |= {f"int8/latency_{size}_ms": milliseconds for size, milliseconds in int8_latency.items()}
    return metrics | {"model/onnx_bytes": report["onnx"]["bytes"]}


SECTIONS = ("test", "baseline", "parity", "int8")  # of validation.json, and of MLflow's charts


def _numbers(section: dict[str, Any]) -> Iterator[tuple[str, float]]:
    return ((name, value) for name, value in section.items() if type(value) in (int, float))


def _gates(found: Validation, model: ModelConfig) -> dict[str, str]:
    """Tags: a gate may change without the run becoming another one, which a parameter of MLflow may not."""
    limits = {f"gates.{gate}": str(limit) for gate, limit in model.gates.model_dump().items()}
    return limits | {"gate": "passed" if found.report["gate"]["passed"] else "missed"}


def _registrable(name: str, path: Path, found: Validation, provenance: Provenance) -> ModelVersionContent:
    session, example = open_model(path), found.inputs[:EXAMPLE_ROWS]
    return ModelVersionContent(
        name=name,
        proto=read_model(path),
        sha256=sha256(path),
        input_name=session.get_inputs()[0].name,
        example=example,
        answers=exported_answers(session, example, EXAMPLE_ROWS),
        provenance=provenance,
    )


if __name__ == "__main__":
    run_stage(main, "models")
