"""The whole of params.yaml."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, model_validator

from penstock.config.base import BaseConfig, Name, Positive, PositiveFloat, Share, mistake
from penstock.config.data import DatasetConfig, DownloadConfig
from penstock.config.models import (
    BASELINE_KINDS,
    TARGET_KINDS,
    BaselineConfig,
    BaselineConfigs,
    ClassificationConfig,
    FidReferenceConfig,
    ModelConfig,
    ModelConfigs,
)
from penstock.config.promotion import PromotionConfig
from penstock.config.search import SearchConfig
from penstock.core.errors import ConfigError, nearest

Entry = TypeVar("Entry")
# A number of batches, or a share of them.
Limit = Annotated[int, Field(ge=0)] | Share


class TrackingConfig(BaseConfig):
    """Where MLflow keeps the runs. No stage depends on it."""

    uri: str = Field(
        default="sqlite:///mlflow.db",
        description="A database file (relative to params.yaml) or a server, http://host:5000. The environment variable "
        "MLFLOW_TRACKING_URI takes precedence.",
    )
    project: str = Field(
        default="",
        description="Name by which projects that share an MLflow server tell their registered models apart. Empty: the "
        "hash of git's first commit.",
    )
    system_metrics: bool = Field(
        default=False,
        description="Log the use of processor, memory, disk, network and GPUs while a stage runs. MLflow's environment "
        "variable MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING takes precedence.",
    )


class TrainerConfig(BaseConfig):
    """Arguments of Lightning's Trainer, and the number of threads. Every training depends on them."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(
        default="auto", description="Device: auto, cpu, gpu or mps."
    )
    devices: Positive | Literal["auto"] = Field(
        default="auto", description="Processes on each node. auto uses every visible GPU, or one process on the CPU."
    )
    num_nodes: Positive = Field(default=1, description="Machines. More than one are started by torchrun or srun.")
    strategy: str = Field(
        default="auto",
        description="Lightning's strategy. auto is one process, or ddp for several; another example is "
        "ddp_find_unused_parameters_true.",
    )
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = Field(
        default="32-true", description="Numeric precision: 32-true, bf16-mixed or 16-mixed."
    )
    max_steps: Annotated[int, Field(ge=-1)] = Field(
        default=-1, description="Largest number of optimizer steps of a training; -1 sets no limit."
    )
    accumulate_grad_batches: Positive = Field(
        default=1, description="Batches whose gradients are added up before an optimizer step."
    )
    limit_train_batches: Limit | None = Field(
        default=None, description="Training batches of an epoch: a number, or a share. None takes all."
    )
    limit_val_batches: Limit | None = Field(
        default=None, description="Validation batches: a number, or a share between 0 and 1. None takes all."
    )
    overfit_batches: Limit = Field(
        default=0, description="Train on so many batches, or this share of them, again and again; 0 takes all."
    )
    fast_dev_run: bool | Positive = Field(
        default=False, description="Run one batch, or this number of batches, of one epoch, to find mistakes quickly."
    )
    threads: Positive = Field(
        default=1,
        description="CPU threads of one stage, at least 1. Fixed, not auto-detected: the number of threads changes the "
        "order of floating-point sums.",
    )

    def lightning_arguments(self) -> dict[str, Any]:
        """The arguments of Lightning's Trainer; what is None keeps Lightning's default."""
        return self.model_dump(exclude={"threads"}, exclude_none=True)

    def without_limits(self) -> Self:
        """The same for an evaluation, which sees every row."""
        names = ("max_steps", "accumulate_grad_batches", "limit_train_batches", "limit_val_batches", "overfit_batches")
        defaults = {name: type(self).model_fields[name].default for name in (*names, "fast_dev_run")}
        return self.model_copy(update=defaults)


class CheckpointsConfig(BaseConfig):
    """Checkpoints of interrupted trainings. No stage depends on them."""

    resume: Literal["auto", "never"] = Field(
        default="auto",
        description="auto resumes an interrupted training if data, parameters and code are unchanged; never restarts.",
    )
    seconds: PositiveFloat = Field(default=30.0, description="Seconds between two checkpoints.")


class Config(BaseConfig):
    """params.yaml."""

    download: DownloadConfig = Field(default=DownloadConfig(), description="How files are downloaded.")
    tracking: TrackingConfig = Field(default=TrackingConfig(), description="Where MLflow keeps the runs.")
    promotion: PromotionConfig = Field(default=PromotionConfig(), description="When a version becomes champion.")
    trainer: TrainerConfig = Field(description="Arguments of Lightning's Trainer.")
    checkpoints: CheckpointsConfig = Field(default=CheckpointsConfig(), description="Checkpoints of trainings.")
    datasets: dict[Name, DatasetConfig] = Field(description="Datasets by name.")
    baselines: BaselineConfigs = Field(description="What scores are compared with, by name.")
    fid_references: dict[Name, FidReferenceConfig] = Field(
        default={}, description="References of the Frechet distance, by name."
    )
    models: ModelConfigs = Field(description="The documented models by name. `dvc repro` trains them.")
    num_seeds: Annotated[int, Field(ge=2)] = Field(
        default=3, description="Seeds that `make tuned` trains each tuned model from, for mean and standard deviation."
    )
    tuned: ModelConfigs = Field(default={}, description="Tuned models by name. `make tuned` trains them.")
    search: dict[Name, SearchConfig] = Field(
        default={}, description="What `penstock sweep` varies, by the name of a model. No stage depends on it."
    )

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        for name, baseline in self.baselines.items():
            _require(baseline.dataset, self.datasets, "dataset", "baselines", name)
        self._check_fid_references()
        for block, models in (("models", self.models), ("tuned", self.tuned)):
            for name, model in models.items():
                _require(model.dataset, self.datasets, "dataset", block, name)
                self._check_target(model, block, name)
                self._check_baseline(model, block, name)
                self._check_batch_size(model, block, name)
                self._check_behaviour_gates(model, block, name)
        self._check_unique_names()
        for name in self.promotion.models:
            if name not in self.every_model:
                raise mistake(
                    f"unknown model '{name}'{nearest(name, self.every_model)}", at=["promotion", "models", name]
                )
        return self

    def _check_fid_references(self) -> None:
        for name, reference in self.fid_references.items():
            _require(reference.dataset, self.datasets, "dataset", "fid_references", name)
            _require(reference.classifier, self.models, "classifier", "fid_references", name)
            classifier, key = self.models[reference.classifier], ["fid_references", name, "classifier"]
            if classifier.dataset != reference.dataset:
                raise mistake(f"{reference.classifier} is of another dataset, {classifier.dataset}", at=key)
            if not isinstance(classifier, ClassificationConfig):
                raise mistake(f"{reference.classifier} is no classifier", at=key)

    def _check_baseline(self, model: ModelConfig, block: str, name: str) -> None:
        known: dict[str, BaselineConfig | FidReferenceConfig] = {**self.baselines, **self.fid_references}
        _require(model.baseline, known, "baseline", block, name)
        baseline, key = known[model.baseline], [block, name, "baseline"]
        if baseline.dataset != model.dataset:
            raise mistake(f"{model.baseline} is of another dataset, {baseline.dataset}", at=key)
        kind = "fid_reference" if isinstance(baseline, FidReferenceConfig) else baseline.kind
        if kind not in (needed := BASELINE_KINDS[model.task]):
            raise mistake(
                f"{model.baseline} is of kind {kind}; {model.task} is compared with {' or '.join(needed)}", at=key
            )

    def _check_target(self, model: ModelConfig, block: str, name: str) -> None:
        target = self.datasets[model.dataset].target.kind
        if model.task in TARGET_KINDS and TARGET_KINDS[model.task] != target:
            tasks = [task for task, kind in TARGET_KINDS.items() if kind == target]
            message = f"{model.dataset} has a target of kind {target}; its models have the task {tasks[0]}"
            raise mistake(message, at=[block, name, "task"])

    def _check_batch_size(self, model: ModelConfig, block: str, name: str) -> None:
        """Batch normalization needs two rows in each process; `devices: auto` is known when the training starts."""
        devices = 1 if self.trainer.devices == "auto" else self.trainer.devices
        least, found = 2 * devices * self.trainer.num_nodes, model.training.batch_size
        if getattr(model.network, "normalization", None) == "batch" and found < least:
            message = f"network.normalization: batch needs at least {least}, 2 rows in each process, not {found}"
            raise mistake(message, at=[block, name, "training", "batch_size"])

    def _check_behaviour_gates(self, model: ModelConfig, block: str, name: str) -> None:
        known = self.datasets[model.dataset].behaviour
        for test in model.gates.behaviour if isinstance(model, ClassificationConfig) else ():
            if test not in known:
                hint = nearest(test, known) if known else ", which has none"
                message = f"no test of datasets.{model.dataset}.behaviour{hint}"
                raise mistake(message, at=[block, name, "gates", "behaviour", test])

    def _check_unique_names(self) -> None:
        """A tuned model and a documented one share the folders of MLflow and of the server."""
        for block, names, others in (
            ("tuned", self.tuned, self.models),
            ("fid_references", self.fid_references, self.baselines),
        ):
            for name in names.keys() & others.keys():
                raise mistake(f"there is another '{name}' already; call it something else", at=[block, name])

    @property
    def every_model(self) -> ModelConfigs:
        """The documented models, then the tuned ones."""
        return self.models | self.tuned

    def model(self, name: str) -> ModelConfig:
        """Return the settings of a model, documented or tuned.

        Raises:
            ConfigError: There is no such model; the message names the nearest valid name.
        """
        return _entry(self.every_model, name, "model")

    def block_of_model(self, name: str) -> Literal["models", "tuned"]:
        """Return the block of params.yaml that a model is in."""
        return "tuned" if name in self.tuned else "models"

    def dataset(self, name: str) -> DatasetConfig:
        """Return the settings of a dataset; a `ConfigError` names the nearest valid name."""
        return _entry(self.datasets, name, "dataset")

    def baseline(self, name: str) -> BaselineConfig:
        """Return the settings of a baseline; a `ConfigError` names the nearest valid name."""
        return _entry(self.baselines, name, "baseline")

    def fid_reference(self, name: str) -> FidReferenceConfig:
        """Return the settings of a FID reference; a `ConfigError` names the nearest valid name."""
        return _entry(self.fid_references, name, "fid_reference")


def _require(name: str, known: Collection[str], key: str, block: str, entry: str) -> None:
    """Raise unless an entry's key names something that exists."""
    if name not in known:
        raise mistake(f"unknown {key} '{name}'{nearest(name, known)}", at=[block, entry, key])


def _entry(entries: Mapping[str, Entry], name: str, kind: str) -> Entry:
    if name not in entries:
        raise ConfigError(f"params.yaml: {kind}s: unknown {kind} '{name}'{nearest(name, entries)}")
    return entries[name]
