"""Evaluate one exported model on the raw test split: python pipelines/validate.py mnist_cnn

The stage fails only if the outputs of the file and of the trained network differ. The register stage checks the gates
on scores.
"""

from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Any

import workspace  # noqa: F401

from penstock.config.params import Config
from penstock.core.console import format_metrics, stage_line
from penstock.core.paths import ModelFiles, Project
from penstock.evaluation.evaluate import Evaluation, evaluate
from penstock.evaluation.example_inputs import example_arrays
from penstock.evaluation.gates import parity_checks, require_passed
from penstock.evaluation.results import EvaluationInputs
from penstock.evaluation.session import measure_latency, open_model
from penstock.io.files import write_arrays, write_csv, write_json
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.weights import load_weights, read_shown
from penstock.models.common.build import build_network
from penstock.orchestration.stage_runner import run_stage
from penstock.reporting.run_results import run_images, run_tables
from penstock.tracking.run import track_model

EXAMPLE_ROWS = 3
SHOWN_METRICS = 2  # of `test`, in the line of the stage


def main(project: Project, config: Config, name: str) -> None:
    model = config.model(name)
    block = config.block_of_model(name)
    files = project.model(name, block)
    processed = ProcessedDataset(project.processed(model.dataset))
    network = build_network(model, processed.info)
    provenance = load_weights(files.weights, network)
    inputs = EvaluationInputs(
        processed=processed,
        dataset=config.dataset(model.dataset),
        raw=project.raw(model.dataset),
        baseline=project.baseline(model.baseline),
        artifacts={artifact: tensor.numpy() for artifact, tensor in read_shown(files.weights).items()},
    )
    task = import_module(f"penstock.tasks.{model.task}.evaluation")

    with track_model(project, config, provenance) as run:
        evaluation = evaluate(files, model, task, network, inputs)
        _write(files, evaluation)
        latency = measure_latency(open_model(files.onnx), evaluation.inputs)
        int8_latency = measure_latency(open_model(files.int8), evaluation.inputs, [1])
        measured = {"onnx": latency, "int8": int8_latency}
        write_json(
            files.latency_report,
            {
                file: {"sha256": evaluation.report[file]["sha256"], "median_milliseconds": milliseconds}
                for file, milliseconds in measured.items()
            },
        )
        run.log_validation(_metrics(evaluation, latency, int8_latency), evaluation.report["onnx"]["sha256"])
        for image in run_images(evaluation.per_class, evaluation.examples, processed.info.classes):
            run.log_image(image.key, image.png, image.step)
        for table, rows in run_tables(evaluation.report, evaluation.per_class, evaluation.examples).items():
            run.log_table(table, rows)
        require_passed(parity_checks(model, evaluation.report), f"{block}.{name}.gates")

    report = evaluation.report
    stage_line(
        "validate",
        name,
        f"{format_metrics(dict(islice(report['test'].items(), SHOWN_METRICS)))} on {report['samples']:,} samples, "
        f"parity {report['parity']['max_abs_diff']:.1e} -> {project.shown(files.validation_report)}",
    )


def _write(files: ModelFiles, evaluation: Evaluation) -> None:
    primary = next(iter(evaluation.report["test"]))
    write_json(files.validation_report, evaluation.report)
    write_json(files.test_metrics, {primary: evaluation.report["test"][primary]})
    write_csv(files.per_class, evaluation.per_class)
    write_arrays(files.examples, {**evaluation.examples, **example_arrays(evaluation.inputs[:EXAMPLE_ROWS])})


def _metrics(evaluation: Evaluation, latency: dict[str, float], int8_latency: dict[str, float]) -> dict[str, float]:
    report = evaluation.report
    metrics = {f"{section}/{name}": value for section in SECTIONS for name, value in _numbers(report[section])}
    metrics |= {f"behaviour/{test}": result["passed"] for test, result in report.get("behaviour", {}).items()}
    metrics |= {f"latency/{size}_ms": milliseconds for size, milliseconds in latency.items()}
    metrics |= {f"int8/latency_{size}_ms": milliseconds for size, milliseconds in int8_latency.items()}
    return metrics | {"model/onnx_bytes": report["onnx"]["bytes"]}


SECTIONS = ("test", "baseline", "parity", "int8")  # sections of validation.json and of the MLflow charts


def _numbers(section: dict[str, Any]) -> Iterator[tuple[str, float]]:
    return ((name, value) for name, value in section.items() if type(value) in (int, float))


if __name__ == "__main__":
    run_stage(main, "models")
