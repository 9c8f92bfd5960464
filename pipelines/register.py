"""Check the gates of one model and register it: python pipelines/register.py mnist_cnn"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import workspace  # noqa: F401
from numpy.typing import NDArray

from penstock.config.models import ModelConfig
from penstock.config.params import Config
from penstock.core.console import stage_line
from penstock.core.model_files import DIGESTS
from penstock.core.paths import ModelFiles, Project
from penstock.evaluation.gates import Checks, registration_checks, require_passed
from penstock.evaluation.session import onnx_outputs, open_model
from penstock.export.onnx_file import read_model, read_provenance
from penstock.io.files import read_json, sha256, write_json
from penstock.io.provenance import Provenance
from penstock.orchestration.stage_runner import run_stage
from penstock.tracking.model_version import ModelVersionContent
from penstock.tracking.run import track_model


def main(project: Project, config: Config, name: str) -> None:
    model, block = config.model(name), config.block_of_model(name)
    files = project.model(name, block)
    files.validation.unlink(missing_ok=True)  # DVC keeps the old file (reason in dvc.yaml); a failed gate must not
    provenance = read_provenance(files.onnx)
    checks = registration_checks(model, read_json(files.training_report), read_json(files.validation_report))

    with track_model(project, config, provenance) as run:
        run.set_tags(_gate_tags(model, checks))
        require_passed(checks, f"{block}.{name}.gates")
        served = {name: files.onnx} | ({f"{name}.int8": files.int8} if model.int8.serve else {})
        write_json(files.validation, _digests(served) | asdict(provenance))
        for version_of, path in served.items():
            run.register(_model_version(version_of, path, _example(files), provenance))
    stage_line("register", name, f"all gates passed -> {project.shown(files.validation)}")


def _digests(served: dict[str, Path]) -> dict[str, str]:
    """Return the sha256 of every file that the server is allowed to load."""
    return {DIGESTS[path.name]: sha256(path) for path in served.values()}


def _gate_tags(model: ModelConfig, checks: Checks) -> dict[str, str]:
    """Return the gates as MLflow tags. A gate can change without a new run, but an MLflow parameter cannot."""
    limits = {f"gates.{gate}": str(limit) for gate, limit in model.gates.model_dump().items()}
    return limits | {"gate": "passed" if all(check.passed for check in checks.values()) else "failed"}


def _example(files: ModelFiles) -> NDArray[np.generic]:
    with np.load(files.examples) as examples:
        inputs: NDArray[np.generic] = examples["example_inputs"]
    return inputs.astype(object) if inputs.dtype.kind == "U" else inputs


def _model_version(name: str, path: Path, example: NDArray[np.generic], provenance: Provenance) -> ModelVersionContent:
    session = open_model(path)
    return ModelVersionContent(
        name=name,
        proto=read_model(path),
        sha256=sha256(path),
        input_name=session.get_inputs()[0].name,
        example=example,
        answers=onnx_outputs(session, example, len(example)),
        provenance=provenance,
    )


if __name__ == "__main__":
    run_stage(main, "models")
