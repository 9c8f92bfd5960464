"""The small run's models, two of them trained longer on more rows."""

from __future__ import annotations

import shutil
from pathlib import Path

from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.data.preprocessing.preprocess import preprocess
from penstock.export.graph import export
from penstock.io.files import sha256, write_json
from penstock.io.processed_dataset import ProcessedDataset
from penstock.io.provenance import Provenance
from penstock.models.common.build import build_network
from penstock.tasks.build import build_module
from penstock.training.fit import TrainingSetup, fit
from tests.helpers.small_project import SmallProject

# Enough to read a seven, and to tell flowers apart: seconds on one core.
EPOCHS = {"mnist_cnn": 3, "iris_mlp": 60}
MNIST_ROWS = 4000


def trained_models(small_run: SmallProject, config: Config, folder: Path) -> None:
    """Write <model>/model.onnx and validation.json of all documented models to `folder`."""
    shutil.copytree(small_run.root / "models", folder, dirs_exist_ok=True)
    for name, epochs in EPOCHS.items():
        _train(small_run, config, name, epochs, folder / name)


def _train(small_run: SmallProject, config: Config, name: str, epochs: int, folder: Path) -> None:
    model = config.model(name)
    model = model.model_copy(update={"training": model.training.model_copy(update={"epochs": epochs})})
    settings = config.dataset(model.dataset)
    if model.dataset == "mnist":
        settings = settings.model_copy(update={"split": settings.split.model_copy(update={"max_rows": MNIST_ROWS})})
    processed = ProcessedDataset(folder / "processed")
    preprocess(model.dataset, settings, raw=Project(small_run.root).raw(model.dataset), folder=processed.folder)
    fitted = fit(
        TrainingSetup(build_module, model, config.trainer, processed.info),
        processed.split("train"),
        processed.split("validation"),
    )
    network = build_network(model, processed.info)
    network.load_state_dict(fitted.weights)
    lineage = Provenance(model=name, data="", parameters="", code="")
    export(name, model, network.eval(), processed, lineage, folder / "model.onnx")
    write_json(folder / "validation.json", {"sha256": sha256(folder / "model.onnx")})
