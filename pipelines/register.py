"""Check the gates of one model, and validate its files for serving: python pipelines/register.py mnist_cnn

`penstock register` then registers these files in MLflow. A stage cannot: DVC restores its outputs without running it.
"""

from dataclasses import asdict

import workspace  # noqa: F401

from penstock.config.models import ModelConfig
from penstock.config.params import Config
from penstock.core.console import stage_line
from penstock.core.model_files import DIGESTS
from penstock.core.paths import Project
from penstock.evaluation.gates import Checks, registration_checks, require_passed
from penstock.export.onnx_file import read_provenance
from penstock.io.files import read_json, sha256, write_json
from penstock.orchestration.stage_runner import run_stage
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
        served = [files.onnx, files.int8] if model.int8.serve else [files.onnx]
        write_json(files.validation, {DIGESTS[path.name]: sha256(path) for path in served} | asdict(provenance))
    stage_line("register", name, f"all gates passed -> {project.shown(files.validation)}")


def _gate_tags(model: ModelConfig, checks: Checks) -> dict[str, str]:
    """Return the gates as MLflow tags. A gate can change without a new run, but an MLflow parameter cannot."""
    gates = model.gates.model_dump()
    gates |= {f"behaviour.{test}": limit for test, limit in gates.pop("behaviour", {}).items()}
    limits = {f"gates.{gate}": str(limit) for gate, limit in gates.items()}
    return limits | {"gate": "passed" if all(check.passed for check in checks.values()) else "failed"}


if __name__ == "__main__":
    run_stage(main, "models")
