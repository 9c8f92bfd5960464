"""Compute the provenance of a model.

The weights file stores the provenance, and every later stage reads it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.config.params import Config, TrainerConfig
from penstock.core.paths import Project
from penstock.io.files import canonical_hash, dvc_directory_hash, sha256


@dataclass(frozen=True)
class Provenance:
    """Hashes of everything that determines the weights of a model."""

    model: str
    """Name of the model."""
    data: str
    """DVC hash of the processed dataset."""
    parameters: str
    """Hash of all settings that change the weights."""
    code: str
    """Hash of the source files that the train stage depends on."""

    @property
    def key(self) -> str:
        """Identifier of the training. On one machine, equal keys give equal weights. Each key has one MLflow run."""
        return canonical_hash([self.model, self.data, self.parameters, self.code])[:16]


def training_relevant_settings(config: Config, model: str) -> dict[str, Any]:
    """Return all settings of params.yaml that change the weights. Gates and URLs do not change them."""
    settings = config.model(model)
    dataset = config.dataset(settings.dataset)
    return {
        **settings.model_dump(mode="json", exclude={"reference", "gates", "int8", "baseline", "dataset"}),
        "trainer": config.trainer.model_dump(mode="json") | _resolved(config.trainer),
        "dataset": {"name": settings.dataset} | dataset.model_dump(mode="json", include={"inputs", "split"}),
    }


def _resolved(settings: TrainerConfig) -> dict[str, Any]:
    """Return devices and precision as Lightning resolves them on this machine. Others give other weights."""
    import torch

    accelerator, devices = settings.accelerator, settings.devices
    if accelerator == "auto":
        accelerator = "gpu" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if devices == "auto":
        devices = max(1, torch.cuda.device_count()) if accelerator == "gpu" else 1
    # A CPU has no fp16; Lightning warns, and uses bf16.
    precision = "bf16-mixed" if (accelerator, settings.precision) == ("cpu", "16-mixed") else settings.precision
    return {"accelerator": accelerator, "devices": devices, "precision": precision}


def training_provenance(project: Project, config: Config, model: str) -> Provenance:
    """Return the provenance of a training before it starts."""
    return Provenance(
        model=model,
        data=dvc_directory_hash(project.processed(config.model(model).dataset)),
        parameters=canonical_hash(training_relevant_settings(config, model)),
        code=canonical_hash({source: sha256(project.root / source) for source in _sources(project, config, model)}),
    )


def _sources(project: Project, config: Config, model: str) -> list[str]:
    """Return the Python files that the train stage of dvc.yaml depends on, including those in folders."""
    from ruamel.yaml import YAML

    stages = YAML(typ="safe").load(project.pipeline.read_text(encoding="utf-8"))["stages"]
    settings = config.model(model)
    values = {
        "${item.task}": settings.task,
        "${item.network.kind}": settings.network.kind,
        "${item.dataset}": settings.dataset,
        "${key}": model,
    }
    found: set[str] = set()
    for dep in stages["train"]["do"]["deps"]:
        for placeholder, value in values.items():
            dep = dep.replace(placeholder, value)  # noqa: PLW2901
        if dep.startswith(("src/", "pipelines/")):
            found |= {path.relative_to(project.root).as_posix() for path in python_files(project.root / dep)}
    return sorted(found)


def python_files(path: Path) -> list[Path]:
    """Return all Python files below a folder, or the file itself."""
    return [file for file in path.rglob("*.py") if file.is_file()] if path.is_dir() else [path]
