"""The whole of params.yaml."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, model_validator

from penstock.config.base import BaseConfig, Name, Positive, PositiveFloat, mistake
from penstock.config.data import DatasetConfig, DownloadConfig
from penstock.config.models import (
    YARDSTICKS,
    BaselineConfig,
    BaselineConfigs,
    FidReferenceConfig,
    ModelConfig,
    ModelConfigs,
)
from penstock.config.training import TrainingConfig
from penstock.core.errors import ConfigError, nearest

Entry = TypeVar("Entry")


class TrackingConfig(BaseConfig):
    uri: str


class TrainerConfig(BaseConfig):
    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    devices: Positive | Literal["auto"]
    num_nodes: Positive
    strategy: str
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    threads: Positive


class CheckpointsConfig(BaseConfig):
    resume: Literal["auto", "never"]
    seconds: PositiveFloat


class CommonConfig(BaseConfig):
    """Whole blocks that models take over (YAML's <<) and change in part."""

    training: TrainingConfig


class Config(BaseConfig):
    """`models` are the documented ones; `tuned` are recipes for the same networks, trained apart (`make tuned`), each
    from `seeds` seeds."""

    download: DownloadConfig
    tracking: TrackingConfig
    trainer: TrainerConfig
    checkpoints: CheckpointsConfig
    datasets: dict[Name, DatasetConfig]
    baselines: BaselineConfigs
    judges: dict[Name, FidReferenceConfig]
    common: CommonConfig
    models: ModelConfigs
    seeds: Annotated[int, Field(ge=2)]
    tuned: ModelConfigs

    @model_validator(mode="after")
    def _know_what_is_named(self) -> Self:
        yardsticks: dict[str, BaselineConfig | FidReferenceConfig] = {**self.baselines, **self.judges}
        blocks: dict[str, Mapping[str, ModelConfig | BaselineConfig | FidReferenceConfig]] = {
            "baselines": self.baselines,
            "judges": self.judges,
            "models": self.models,
            "tuned": self.tuned,
        }
        for name, judge in self.judges.items():
            _require(judge.classifier, self.models, "classifier", "judges", name)
            if self.models[judge.classifier].dataset != judge.dataset:
                raise mistake(f"{judge.classifier} is of another dataset", at=["judges", name, "classifier"])
        for block, entries in blocks.items():
            for name, entry in entries.items():
                _require(entry.dataset, self.datasets, "dataset", block, name)
                if isinstance(entry, ModelConfig):
                    _require(entry.baseline, yardsticks, "baseline", block, name)
                    _require_the_right_kind(entry, yardsticks[entry.baseline], block, name)
        for block, others in (("tuned", self.models), ("judges", self.baselines)):
            for name in blocks[block].keys() & others.keys():
                raise mistake(f"there is another '{name}' already; call it something else", at=[block, name])
        return self

    @property
    def every_model(self) -> ModelConfigs:
        """The documented ones, then the tuned."""
        return self.models | self.tuned

    def model(self, name: str) -> ModelConfig:
        """The settings of one model, documented or tuned; a `ConfigError` names the nearest valid name."""
        return _entry(self.every_model, name, "model")

    def block_of_model(self, name: str) -> Literal["models", "tuned"]:
        """Where in params.yaml a model stands."""
        return "tuned" if name in self.tuned else "models"

    def dataset(self, name: str) -> DatasetConfig:
        """The settings of one dataset; a `ConfigError` names the nearest valid name."""
        return _entry(self.datasets, name, "dataset")

    def baseline(self, name: str) -> BaselineConfig:
        """The settings of one baseline; a `ConfigError` names the nearest valid name."""
        return _entry(self.baselines, name, "baseline")

    def judge(self, name: str) -> FidReferenceConfig:
        """The settings of one judge; a `ConfigError` names the nearest valid name."""
        return _entry(self.judges, name, "judge")


def _require(name: str, known: Collection[str], key: str, block: str, entry: str) -> None:
    """An entry's key must name something that there is."""
    if name not in known:
        raise mistake(f"unknown {key} '{name}'{nearest(name, known)}", at=[block, entry, key])


def _require_the_right_kind(
    model: ModelConfig, yardstick: BaselineConfig | FidReferenceConfig, block: str, name: str
) -> None:
    """A score is held against one of the same data and the same figure."""
    if yardstick.dataset != model.dataset:
        raise mistake(f"{model.baseline} is of another dataset, {yardstick.dataset}", at=[block, name, "baseline"])
    kind = "judge" if isinstance(yardstick, FidReferenceConfig) else yardstick.kind
    if kind != YARDSTICKS[model.task]:
        problem = f"{model.baseline} is of kind {kind}; {model.task} is held against {YARDSTICKS[model.task]}"
        raise mistake(problem, at=[block, name, "baseline"])


def _entry(entries: Mapping[str, Entry], name: str, kind: str) -> Entry:
    if name not in entries:
        raise ConfigError(f"params.yaml: {kind}s: unknown {kind} '{name}'{nearest(name, entries)}")
    return entries[name]
