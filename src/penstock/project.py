"""Where things lie in a project: the one place that knows the folders (dvc.yaml names the same ones for DVC)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from penstock.errors import ConfigError


@dataclass(frozen=True)
class Project:
    """A folder with params.yaml and dvc.yaml in it, and the paths below it."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """The project that holds `start` (the working directory unless given), however deep inside it is.

        Raises:
            ConfigError: neither the folder nor one above it has params.yaml and dvc.yaml.
        """
        start = (start or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
                return cls(folder)
        raise ConfigError(f"params.yaml: not in {start} nor above it; run from inside a Penstock project")

    def shown(self, path: Path) -> str:
        """A path as people want to read it: relative to the project."""
        return str(path.relative_to(self.root))

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def pipeline(self) -> Path:
        return self.root / "dvc.yaml"

    @property
    def scratch(self) -> Path:
        """What survives a killed stage: DVC deletes a stage's outputs before it runs, and nothing in here."""
        return self.root / ".penstock"

    def raw(self, dataset: str) -> Path:
        return self.root / "data" / "raw" / dataset

    def processed(self, dataset: str) -> Path:
        return self.root / "data" / "processed" / dataset

    def data_report(self, dataset: str) -> Path:
        return self.root / "reports" / dataset / "data.json"

    def weights(self, model: str) -> Path:
        return self.root / "models" / model / "weights.safetensors"

    def onnx(self, model: str) -> Path:
        return self.root / "models" / model / "model.onnx"

    def proof(self, model: str) -> Path:
        """Written when a model has passed its gates: the server takes no file without it."""
        return self.root / "models" / model / "proof.json"

    def history(self, model: str) -> Path:
        return self.root / "reports" / model / "history.csv"

    def training_report(self, model: str) -> Path:
        return self.root / "reports" / model / "training.json"

    def validation_report(self, model: str) -> Path:
        return self.root / "reports" / model / "validation.json"

    def latency_report(self, model: str) -> Path:
        """Milliseconds are never twice the same, so this file is no DVC output."""
        return self.root / "reports" / model / "latency.json"

    @property
    def results(self) -> Path:
        """The page for people, index.html, and its figures; apart from reports/, which it is made from."""
        return self.root / "results"
