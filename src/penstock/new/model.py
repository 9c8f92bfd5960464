"""Write a new model into params.yaml, with the network and training of a recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.config.base import NAME_PATTERN
from penstock.config.data import DatasetConfig
from penstock.config.loading import load_config
from penstock.config.models import TARGET_KINDS
from penstock.config.params import Config
from penstock.core.console import output
from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.io.files import read_json
from penstock.new.entries import with_entries
from penstock.new.own_network import own_settings, require_no_file, write_own_network
from penstock.new.recipes import gates_of, network_of, training_of

TASKS = {target: task for task, target in TARGET_KINDS.items()}


@dataclass(frozen=True)
class NewModel:
    """An entry of `models`."""

    name: str
    settings: dict[str, Any]


def model_entry(  # noqa: PLR0913  (each is one fact of the dataset)
    dataset: str,
    settings: Mapping[str, Any],
    baseline: str,
    *,
    rows: int,
    shares: Sequence[float],
    edge: int,
    name: str | None = None,
    network: str | None = None,
) -> NewModel:
    """Return a model of a dataset.

    Args:
        dataset: Name of the dataset.
        settings: Its entry in params.yaml.
        baseline: Name of its baseline.
        rows: Rows of the dataset.
        shares: Share of the rows of each class or label.
        edge: Shorter edge of its images.
        name: Name of the model; None calls it by dataset and network.
        network: Kind of the network; None takes that of the recipe.
    """
    inputs, target = settings["inputs"], settings["target"]
    task = TASKS[target["kind"]]
    words = {key: inputs[key] for key in ("vocab_size", "max_length") if key in inputs}
    architecture = network_of(inputs["kind"], image_edge=edge, **words)
    if network == "module":
        name = name or f"{dataset}_module"
        architecture = own_settings(name)
    elif network is not None and network != architecture["kind"]:
        architecture = {"kind": network} | ({"hidden_sizes": [64]} if network == "mlp" else {})
    return NewModel(
        name or f"{dataset}_{architecture['kind']}",
        {
            "task": task,
            "dataset": dataset,
            "baseline": baseline,
            "reference": [f"Made by penstock new for {dataset}"],
            "network": architecture,
            "training": training_of(inputs["kind"], rows),
            # Better than a constant answer.
            "gates": gates_of(task, shares),
            "int8": {"serve": False, "reason": "slower"},
        },
    )


def new_model(project: Project, name: str, dataset: str, network: str | None) -> None:
    """Add a model of a dataset to params.yaml.

    Raises:
        ConfigError: There is no such dataset, or the name is taken.
    """
    config = load_config(project.params)
    settings = config.dataset(dataset)
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigError(f"'{name}': a name has small letters, digits and _, and begins with a letter")
    if name in {*config.datasets, *config.every_model, *config.baselines}:
        raise ConfigError(f"{project.params.name}: there is a '{name}' already; choose another name")
    if network == "module":
        require_no_file(project, name)
    rows, shares, edge = _measured(project, dataset, settings)
    model = model_entry(
        dataset,
        settings.model_dump(mode="json"),
        _baseline(config, dataset),
        rows=rows,
        shares=shares,
        edge=edge,
        name=name,
        network=network,
    )
    with_entries(project.params, {"models": {name: model.settings}}).write()
    output.print(f"{project.params.name}: model {name} ({model.settings['network']['kind']}) of {dataset}")
    if network == "module":
        write_own_network(project, name, settings.inputs.kind)
        output.print(f"{name}.py: its network, a first one to edit; add it to git")
    prepare = (
        "" if (project.processed(dataset) / "dataset_info.json").is_file() else f"  dvc repro preprocess@{dataset}\n"
    )
    output.print(f"\nNext:\n{prepare}  penstock check {name}\n  dvc repro register@{name}", markup=False)


def _baseline(config: Config, dataset: str) -> str:
    found = [name for name, one in config.baselines.items() if one.dataset == dataset and one.kind != "pca"]
    if not found:
        raise ConfigError(
            f"params.yaml: baselines: none is of {dataset}; add {dataset}_linear: {{kind: linear, dataset: {dataset}}}"
        )
    return found[0]


def _measured(project: Project, dataset: str, settings: DatasetConfig) -> tuple[int, list[float], int]:
    """Return rows, shares of the classes, and the shorter edge of images, from data.json where it is there."""
    rows, classes, edge = sum(settings.checks.rows.values()), [], 0
    if project.data_report(dataset).is_file():
        report = read_json(project.data_report(dataset))
        counts = [split.get("classes", {}) for split in report["splits"].values()]
        total = sum(split["rows"] for split in report["splits"].values())
        classes = [sum(one[name] for one in counts) / total for name in counts[0]]
        edge = min(report["shape"][:2]) if report["kind"] == "image" else 0
    if not classes and settings.target.kind != "number":
        share = settings.checks.class_share
        classes = [share.max if share else 0.5]
    return rows, classes, edge or 28
