"""Define the paths of a project's files. dvc.yaml contains the same paths for DVC."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from penstock.core.errors import ConfigError
from penstock.core.model_files import INT8, ONNX, VALIDATION


@dataclass(frozen=True)
class Project:
    """A folder that has params.yaml and dvc.yaml, and the paths below it."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Return the project that contains a folder.

        Args:
            start: The folder; None is the working directory.

        Raises:
            ConfigError: Neither the folder nor one above it has params.yaml and dvc.yaml.
        """
        start = (start or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
                return cls(folder)
        raise ConfigError(
            f"params.yaml: not in {start} nor above it; run from inside a Penstock project (`penstock init` makes one)"
        )

    @property
    def original(self) -> Project:
        """The project that DVC copied this one from to run an experiment (`dvc exp run --queue`, `--temp`), or itself.

        What belongs to all copies, such as the runs in MLflow, is there: DVC deletes a copy after its experiment.
        """
        root = os.environ.get("DVC_ROOT")  # set by DVC for its stages
        is_copy = root is not None and (Path(root) / ".dvc" / "tmp").resolve() in self.root.parents
        return Project(Path(root).resolve()) if root and is_copy else self

    def shown(self, path: Path) -> str:
        """Return a path relative to the project, for messages."""
        return str(path.relative_to(self.root))

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def pipeline(self) -> Path:
        return self.root / "dvc.yaml"

    @property
    def code_record(self) -> Path:
        """Hashes of the installed code of Penstock, where the project is no clone of it."""
        return self.root / "pipelines" / "penstock.json"

    @property
    def own_code(self) -> Path:
        """What the stages of each model depend on outside of Penstock; see `penstock.config.own_code`."""
        return self.root / "pipelines" / "code.yaml"

    @property
    def tuned_pipeline(self) -> Path:
        return self.root / "tuned" / "dvc.yaml"

    @property
    def seeds_pipeline(self) -> Path:
        return self.root / "tuned" / "seeds" / "dvc.yaml"

    @property
    def dvc_locks(self) -> list[Path]:
        """The dvc.lock beside each dvc.yaml."""
        return [path.with_name("dvc.lock") for path in (self.pipeline, self.tuned_pipeline, self.seeds_pipeline)]

    @property
    def report_folders(self) -> tuple[Path, Path]:
        """The folders of the reports, which are in git: documented models and datasets, tuned models."""
        return self.root / "reports", self.root / "tuned" / "reports"

    @property
    def scratch(self) -> Path:
        """Working files that survive a killed stage; DVC deletes the outputs of a stage before it runs."""
        return self.root / ".penstock"

    @property
    def stage_timings(self) -> Path:
        return self.scratch / "stage_timings.json"

    @property
    def plots_page(self) -> Path:
        """HTML template of `dvc plots`; its path is set in .dvc/config."""
        return self.scratch / "plots.html"

    def checkpoints(self, stage: str, model: str) -> Path:
        return self.scratch / "checkpoints" / stage / model

    def raw(self, dataset: str) -> Path:
        return self.root / "data" / "raw" / dataset

    def processed(self, dataset: str) -> Path:
        return self.root / "data" / "processed" / dataset

    def data_report(self, dataset: str) -> Path:
        return self.root / "reports" / dataset / "data.json"

    def model(self, name: str, block: Literal["models", "tuned"]) -> ModelFiles:
        """Return the files of a model; those of tuned models are below tuned/.

        Args:
            name: The model.
            block: The block of params.yaml that the model is in.
        """
        return ModelFiles(self.root if block == "models" else self.root / block, name)

    def baseline(self, name: str) -> Path:
        return self.root / "baselines" / name

    @property
    def results(self) -> Path:
        """Folder of the results page, index.html, and its figures; generated from reports/."""
        return self.root / "results"

    @property
    def model_page(self) -> Path:
        """The page about all models in the documentation."""
        return self.root / "docs" / "models.md"

    @property
    def served(self) -> tuple[Path, Path]:
        """The folders of the models that may be served: documented, tuned."""
        return self.root / "models", self.root / "tuned" / "models"


@dataclass(frozen=True)
class ModelFiles:
    """The files of one model.

    Args:
        home: The project, or its folder tuned/.
        name: The model.
    """

    home: Path
    name: str

    @property
    def weights(self) -> Path:
        return self.home / "models" / self.name / "weights.safetensors"

    @property
    def onnx(self) -> Path:
        return self.home / "models" / self.name / ONNX

    @property
    def int8(self) -> Path:
        """The int8 copy of `onnx`."""
        return self.home / "models" / self.name / INT8

    @property
    def validation(self) -> Path:
        """Written by the register stage once every gate has passed; the server accepts no file without it."""
        return self.home / "models" / self.name / VALIDATION

    @property
    def examples(self) -> Path:
        """Predictions for figures, and a few raw input rows as the example of a registered model."""
        return self.home / "models" / self.name / "examples.npz"

    @property
    def history(self) -> Path:
        return self.home / "reports" / self.name / "history.csv"

    @property
    def training_report(self) -> Path:
        return self.home / "reports" / self.name / "training.json"

    @property
    def val_metrics(self) -> Path:
        """The validation metrics of the chosen epoch, as a DVC metrics file."""
        return self.home / "reports" / self.name / "val.json"

    @property
    def test_metrics(self) -> Path:
        """The primary test metric, as a DVC metrics file."""
        return self.home / "reports" / self.name / "test.json"

    @property
    def per_class(self) -> Path:
        """Test results by class, as a DVC plot."""
        return self.home / "reports" / self.name / "per_class.csv"

    @property
    def seeds_report(self) -> Path:
        return self.home / "reports" / self.name / "seeds.json"

    @property
    def validation_report(self) -> Path:
        return self.home / "reports" / self.name / "validation.json"

    @property
    def latency_report(self) -> Path:
        """Not a DVC output, since durations differ between runs."""
        return self.home / "reports" / self.name / "latency.json"
