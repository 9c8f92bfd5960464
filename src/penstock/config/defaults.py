"""The default settings by value; `penstock config --write` writes them to defaults.json.

params.yaml has only what differs from the defaults, and DVC tracks settings by value. So the stages also depend on
their part of defaults.json: a changed default runs them again, an edited comment or description does not. A block is
one line of text, so that it takes one line in dvc.lock and one column in `dvc exp show`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from penstock.config.behaviour import BehaviourTestConfig
from penstock.config.columns import ColumnConfig
from penstock.config.data import ChecksConfig, InputsConfig, SplitConfig
from penstock.config.models import (
    AdversarialConfig,
    ClassificationConfig,
    MultilabelConfig,
    ReconstructionConfig,
    RegressionConfig,
)
from penstock.config.networks import AutoencoderConfig, GanConfig, PredictorNetworkConfig
from penstock.config.params import TrainerConfig
from penstock.config.sources import SourceConfig
from penstock.config.targets import TargetConfig
from penstock.core.errors import ConfigError

FILE = Path(__file__).with_name("defaults.json")
TASKS: tuple[type[BaseModel], ...] = (
    ClassificationConfig,
    RegressionConfig,
    MultilabelConfig,
    ReconstructionConfig,
    AdversarialConfig,
)

Blocks = dict[str, str]


def defaults() -> dict[str, Any]:
    """Return the defaults by the part of params.yaml, and there by the network's kind or the task."""
    networks: list[type[BaseModel]] = [*_classes(PredictorNetworkConfig), AutoencoderConfig, GanConfig]
    return {
        "trainer": _of_class(TrainerConfig),
        "source": {
            _literal(kind, "kind"): _of_class(kind)
            for kind in _classes(SourceConfig)
            if _has_kind(kind) and _of_class(kind)
        },
        "columns": {_literal(kind, "kind"): _of_class(kind) for kind in _classes(ColumnConfig)},
        "target": {_literal(kind, "kind"): _of_class(kind) for kind in _classes(TargetConfig) if _of_class(kind)},
        "inputs": {_literal(kind, "kind"): _of_class(kind) for kind in _classes(InputsConfig) if _of_class(kind)},
        "split": _of_class(SplitConfig),
        "checks": _of_class(ChecksConfig),
        "behaviour": {_literal(kind, "kind"): _of_class(kind) for kind in _classes(BehaviourTestConfig)},
        "network": {_literal(network, "kind"): _with_nested(network) for network in networks if _has_kind(network)},
        "training": {_literal(task, "task"): _of_field(task, "training") for task in TASKS},
        "gates": {_literal(task, "task"): _of_field(task, "gates") for task in TASKS},
    }


def _of_field(config: type[BaseModel], field: str) -> Blocks:
    (block,) = _classes(config.model_fields[field].annotation)
    return _with_nested(block)


def _with_nested(config: type[BaseModel]) -> Blocks:
    """Return the defaults of a block and of all blocks inside it, by the name of the class."""
    found: Blocks = {}
    todo = [config]
    while todo:
        block = todo.pop(0)
        if block.__name__ not in found:
            found[block.__name__] = _of_class(block)
            todo += [nested for field in block.model_fields.values() for nested in _classes(field.annotation)]
    return {name: values for name, values in found.items() if values}


def _of_class(config: type[BaseModel]) -> str:
    """Return the defaults of one block, such as `attempts=3, pause_seconds=1.0`."""
    values = {
        name: to_jsonable_python(field.get_default(call_default_factory=True))
        for name, field in config.model_fields.items()
        if not field.is_required()
    }
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in values.items())


def _classes(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the blocks in a type, however deep: unions, lists and optional ones."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _classes(part)


def _has_kind(config: type[BaseModel]) -> bool:
    return "kind" in config.model_fields


def _literal(config: type[BaseModel], field: str) -> str:
    """Return the one value that a field may have."""
    (value,) = get_args(config.model_fields[field].annotation)
    return str(value)


def require_current_defaults() -> None:
    """Require that defaults.json, which DVC tracks, has the defaults of the code.

    Raises:
        ConfigError: A default has changed, and the file has not been written anew.
    """
    if not FILE.is_file() or json.loads(FILE.read_text(encoding="utf-8")) != defaults():
        raise ConfigError(f"src/penstock/config/{FILE.name}: not current: run `penstock config --write`")


def defaults_text() -> str:
    """Return the content of defaults.json."""
    return json.dumps(defaults(), indent=2) + "\n"
