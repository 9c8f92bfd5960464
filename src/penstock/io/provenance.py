"""Compute the provenance of a model.

The weights file stores the provenance, and every later stage reads it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.config.own_code import KEY, code_of
from penstock.config.params import Config, TrainerConfig
from penstock.core.paths import Project
from penstock.io.code_record import has_own_source, recorded_sources
from penstock.io.files import canonical_hash, dvc_directory_hash, read_json, sha256


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
        code=canonical_hash(training_sources(project, config, model)),
    )


def training_sources(project: Project, config: Config, model: str) -> dict[str, str]:
    """Return the SHA-256 of the Python files that the train stage of dvc.yaml depends on, by path in the project.

    In a project without a clone, those of Penstock are the recorded ones; their paths are those in a clone.

    Raises:
        MissingFileError: The record of Penstock's code is missing.
    """
    from ruamel.yaml import YAML

    stages = YAML(typ="safe").load(project.pipeline.read_text(encoding="utf-8"))["stages"]
    train = stages["train"]["do"]
    settings = config.model(model)
    values = {
        "${item.task}": settings.task,
        "${item.network.kind}": settings.network.kind,
        "${item.dataset}": settings.dataset,
        "${key}": model,
        f"${{item.{KEY}}}": code_of(settings),
    }
    found: dict[str, str] = {}
    for dep in _filled_in(train["deps"], values):
        if dep.startswith(("src/", "pipelines/")) or dep == code_of(settings):
            for path in python_files(project.root / dep):
                found[path.relative_to(project.root).as_posix()] = sha256(path)
    if not has_own_source(project):
        record = read_json(project.code_record)
        name = project.code_record.relative_to(project.root).as_posix()
        (keys,) = (params[name] for params in train["params"] if isinstance(params, dict) and name in params)
        for key in _filled_in(keys, values):
            found |= recorded_sources(record, key)
    return dict(sorted(found.items()))


def _filled_in(texts: Iterable[str], values: Mapping[str, str]) -> Iterator[str]:
    """Yield texts of dvc.yaml with the values of their placeholders."""
    for text in texts:
        filled = text
        for placeholder, value in values.items():
            filled = filled.replace(placeholder, value)
        yield filled


def python_files(path: Path) -> list[Path]:
    """Return all Python files below a folder, or the file itself."""
    return [file for file in path.rglob("*.py") if file.is_file()] if path.is_dir() else [path]
