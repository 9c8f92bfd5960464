"""Prove one exported model on the raw test split, and register it: python pipelines/validate.py mnist_cnn"""

from dataclasses import asdict
from pathlib import Path

from penstock.config import Config, Model
from penstock.console import stage_line
from penstock.data.processed import Processed
from penstock.export.graph import OUTPUTS, read_model
from penstock.export.validation import Validation, answers_of, measure_latency, open_model, validate
from penstock.files import write_json
from penstock.lineage import Lineage
from penstock.networks import build_classifier
from penstock.project import Project
from penstock.reporting.figures import confusion_matrix
from penstock.stage import run_stage
from penstock.tracking import track_model
from penstock.tracking.registry import ValidatedModel
from penstock.weights import load_weights

EXAMPLE_ROWS = 3


def main(project: Project, config: Config, name: str) -> None:
    model = config.model(name)
    inputs = config.dataset(model.dataset).inputs
    processed = Processed(project.processed(model.dataset))
    classifier = build_classifier(model.network, processed.manifest, model.training.loss)
    lineage = load_weights(project.weights(name), classifier)
    path = project.onnx(name)

    with track_model(project, config, lineage) as run:
        found = validate(name, model, inputs, classifier, processed, raw=project.raw(model.dataset), path=path)
        latency = measure_latency(open_model(path), found.test.inputs)
        write_json(project.validation_report(name), found.report)
        write_json(project.latency_report(name), {"median_milliseconds": latency})

        run.log_proof(_metrics(found, latency), _gates(found, model), found.report["onnx"]["sha256"])
        figure = confusion_matrix(name, found.report["confusion"], processed.manifest.classes)
        run.log_figure("confusion_matrix.png", figure)
        found.require_gates()
        write_json(project.proof(name), {"sha256": found.report["onnx"]["sha256"], **asdict(lineage)})
        run.register(_registrable(found, path, lineage))

    report = found.report
    stage_line(
        "validate",
        name,
        f"test accuracy {report['test']['accuracy']:.4f} on {report['samples']:,} samples, parity "
        f"{report['parity']['max_abs_diff']:.1e}, all gates passed -> {project.shown(project.validation_report(name))}",
    )


def _metrics(found: Validation, latency: dict[str, float]) -> dict[str, float]:
    test, parity, onnx = (found.report[part] for part in ("test", "parity", "onnx"))
    return {
        "test_accuracy": test["accuracy"],
        "test_loss": test["loss"],
        "parity_max_abs_diff": parity["max_abs_diff"],
        "parity_agreement": parity["agreement"],
        "onnx_bytes": onnx["bytes"],
    } | {f"latency_ms_{size}": milliseconds for size, milliseconds in latency.items()}


def _gates(found: Validation, model: Model) -> dict[str, str]:
    """Tags: a gate may change without the run becoming another one, which a parameter of MLflow may not."""
    limits = {f"gates.{gate}": str(limit) for gate, limit in model.gates.model_dump().items()}
    return limits | {"gate": "passed" if found.report["gate"]["passed"] else "missed"}


def _registrable(found: Validation, path: Path, lineage: Lineage) -> ValidatedModel:
    session, example = open_model(path), found.test.inputs[:EXAMPLE_ROWS]
    answers = answers_of(session, example, EXAMPLE_ROWS)
    return ValidatedModel(
        name=lineage.model,
        proto=read_model(path),
        sha256=found.report["onnx"]["sha256"],
        input_name=session.get_inputs()[0].name,
        example=example,
        answers=dict(zip(OUTPUTS, (answers.probabilities, answers.labels), strict=True)),
        lineage=lineage,
    )


if __name__ == "__main__":
    run_stage(main, "models")
