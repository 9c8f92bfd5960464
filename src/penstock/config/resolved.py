"""Every setting with its value and where it comes from: params.yaml or a default."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from penstock.config.base import BaseConfig, Document
from penstock.config.loading import line_of, read_document, stands_in
from penstock.config.params import Config


class Setting(NamedTuple):
    """One resolved setting."""

    key: str
    """Dotted, as `dvc exp run -S` takes it."""
    value: object
    source: str
    """`params.yaml:LINE`, or the file that declares the default."""


def resolved_settings(path: Path, config: Config, model: str | None = None) -> list[Setting]:
    """List the settings of params.yaml and the defaults behind them.

    Args:
        path: Of params.yaml.
        config: What `load_config` made of it.
        model: Only this model's settings, documented or tuned; None lists all.

    Raises:
        ConfigError: There is no such model.
    """
    document = read_document(path)
    if model is None:
        return list(_settings(config, path, document, ()))
    block = config.block_of_model(model)
    return list(_settings(config.model(model), path, document, (block, model)))


def _settings(value: object, path: Path, document: Document, keys: tuple[str, ...]) -> Iterator[Setting]:
    for key, entry, declared_in in _entries(value):
        at = (*keys, key)
        if _is_nested(entry):
            yield from _settings(entry, path, document, at)
        else:
            yield Setting(".".join(at), _plain(entry), _source(path, document, at, declared_in))


def _entries(value: object) -> Iterator[tuple[str, object, type]]:
    """Key, entry and declaring class of a block, a mapping or a list."""
    if isinstance(value, BaseConfig):
        names = [*type(value).model_fields, *(value.model_extra or {})]
        yield from ((name, getattr(value, name), type(value)) for name in names)
    elif isinstance(value, dict):
        yield from ((key, entry, type(entry)) for key, entry in value.items())
    elif isinstance(value, tuple):
        yield from ((str(number), entry, type(entry)) for number, entry in enumerate(value))


def _is_nested(entry: object) -> bool:
    if isinstance(entry, dict | tuple):
        entries = list(entry.values()) if isinstance(entry, dict) else list(entry)
        return any(isinstance(one, BaseConfig) for one in entries) or (isinstance(entry, dict) and bool(entry))
    return isinstance(entry, BaseConfig)


def _plain(entry: object) -> object:
    return list(entry) if isinstance(entry, tuple) else entry


def _source(path: Path, document: Document, keys: tuple[str, ...], declared_in: type) -> str:
    if stands_in(document, keys):
        return f"{path.name}:{line_of(document, keys)}"
    return f"default (config/{Path(inspect.getfile(declared_in)).name})"
