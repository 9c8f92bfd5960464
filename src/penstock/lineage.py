"""What a model was made from. It travels inside the weights file, so every later stage can say it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.config import Config
from penstock.files import canonical_hash, dvc_directory_hash, sha256

_SHAPING = {"data", "networks", "training"}


@dataclass(frozen=True)
class Lineage:
    """data: DVC's hash of the processed dataset; parameters: of all settings that shape the weights; code: of the
    modules that trained."""

    data: str
    parameters: str
    code: str

    @property
    def key(self) -> str:
        """Names the computation: the same key gives the same weights on one machine, and has one MLflow run."""
        return canonical_hash([self.data, self.parameters, self.code])[:16]


def shaping_settings(config: Config, model: str) -> dict[str, Any]:
    """All settings of params.yaml that shape the weights: no gates, no mirrors, no addresses."""
    settings = config.model(model)
    dataset = config.dataset(settings.dataset)
    return {
        **settings.model_dump(mode="json", exclude={"gates", "dataset"}),
        "trainer": config.trainer.model_dump(mode="json"),
        "dataset": {"name": settings.dataset} | dataset.model_dump(mode="json", include={"inputs", "split", "limit"}),
    }


def lineage_of_training(config: Config, model: str, processed: Path) -> Lineage:
    """The lineage of the training that this process is about to do; call it when its modules are imported."""
    return Lineage(
        data=dvc_directory_hash(processed),
        parameters=canonical_hash(shaping_settings(config, model)),
        code=canonical_hash(_loaded_sources()),
    )


def _loaded_sources() -> dict[str, str]:
    return {
        name: sha256(Path(module.__file__))
        for name, module in sorted(sys.modules.items())
        if name.startswith("penstock.") and name.split(".")[1] in _SHAPING and module.__file__
    }
