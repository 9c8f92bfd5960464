"""The settings of a model by their dotted keys: which there are, and what a model is with other values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel

from penstock.config.models import ModelConfig
from penstock.core.errors import ConfigError, nearest

BLOCKS = ("network", "training")
NumberType = type[int] | type[float]
Kinds = Mapping[str, Collection[str]]
Values = Mapping[str, Any]


def model_keys(model: ModelConfig, kinds: Kinds | None = None) -> dict[str, NumberType | None]:
    """List all settings of a model's network and training, set or not, as `dvc exp run -S` names them.

    Args:
        model: The model. Its entries of a list have the position as key: `network.blocks.0.filters`.
        kinds: The values that a key such as `training.optimizer.kind` may take; the model's own where it is not named.

    Returns:
        By dotted key, the type of the number, or None for other settings.
    """
    found: dict[str, NumberType | None] = {}
    for block in BLOCKS:
        _collect(type(model).model_fields[block].annotation, getattr(model, block), block, kinds or {}, found)
    return found


def _collect(annotation: object, present: object, key: str, kinds: Kinds, found: dict[str, NumberType | None]) -> None:
    types = list(_alternatives(annotation))
    numbers: tuple[NumberType, ...] = (float, int)
    found[key] = found.get(key) or next((number for number in numbers if number in types), None)
    for block in types:
        if _is_block(block) and _may_be(block, present, kinds.get(f"{key}.kind")):
            for name, field in block.model_fields.items():
                _collect(field.annotation, getattr(present, name, None), f"{key}.{name}", kinds, found)
            for name, value in _own_settings(present, block):
                _collect(type(value), value, f"{key}.{name}", kinds, found)
    if isinstance(present, tuple):
        for position, entry in enumerate(present):
            items = next(get_args(one) for one in types if get_origin(one) is tuple)
            item = items[0] if items[-1] is Ellipsis else items[position]
            _collect(item, entry, f"{key}.{position}", kinds, found)


def _own_settings(present: object, block: type[BaseModel]) -> Iterator[tuple[str, object]]:
    """Yield the settings of a network of one's own, which no class declares."""
    if isinstance(present, block) and present.model_extra:
        yield from present.model_extra.items()


def _is_block(one: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(one, type) and issubclass(one, BaseModel)


def _alternatives(annotation: object) -> Iterator[Any]:
    """Yield the types of a union, also of one inside another, without their annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _alternatives(part)
    else:
        yield annotation


def _may_be(block: type[BaseModel], present: object, kinds: Collection[str] | None) -> bool:
    """Return whether a setting may be a block of this class."""
    if "kind" not in block.model_fields:
        return True
    if kinds is None:
        return isinstance(present, block)
    return bool(set(get_args(block.model_fields["kind"].annotation)) & set(kinds))


def full_key(key: str, keys: Collection[str]) -> str:
    """Return the whole key that a short one stands for: `optimizer.kind` is `training.optimizer.kind`.

    Raises:
        ConfigError: No setting, or more than one, ends like that. The message names the candidates.
    """
    if key in keys:
        return key
    found = [one for one in keys if one.endswith(f".{key}")]
    if len(found) > 1:
        raise ConfigError(f"may be {', '.join(found[:-1])} or {found[-1]}; write the whole key")
    if not found:
        raise ConfigError(f"the model has no such setting{nearest(key, _comparable(key, keys))}")
    return found[0]


def _comparable(key: str, keys: Collection[str]) -> list[str]:
    """Return the keys that begin or, for a key without `network.` or `training.`, end like a mistyped one."""
    if key.startswith(BLOCKS):
        return [one for one in keys if "." in one]
    depth = key.count(".") + 1
    return [".".join(one.split(".")[-depth:]) for one in keys if one.count(".") >= depth]


def changed_entry(model: ModelConfig, values: Values) -> dict[str, Any]:
    """Return the entry of params.yaml of a model with other values; it is not checked.

    Settings that another `kind` does not have are dropped, such as `betas` with `training.optimizer.kind: sgd`. Those
    that it has keep their value, such as `learning_rate`.

    Args:
        model: The model; what it leaves out stays left out.
        values: By dotted key, in any order.
    """
    entry = model.model_dump(mode="json", exclude_unset=True)
    for key in sorted(values, key=lambda key: (key.count("."), not key.endswith(".kind"))):
        _set(entry, model, key.split("."), values[key])
    return entry


def _set(entry: dict[str, Any], model: ModelConfig, keys: list[str], value: object) -> None:
    block: Any = entry
    present: Any = model
    for key in keys[:-1]:
        present = present[int(key)] if isinstance(present, tuple) else getattr(present, key, None)
        if not isinstance(block, list) and block.get(key) is None:
            kind = getattr(present, "kind", None)
            block[key] = {} if kind is None else {"kind": kind}
        block = block[_position(block, key)]
    last = keys[-1]
    if last == "kind" and block.get("kind") != value:
        known = model_keys(model, {".".join(keys): [str(value)]})
        for name in [name for name in block if ".".join((*keys[:-1], name)) not in known]:
            del block[name]
    block[_position(block, last)] = value


def _position(block: object, key: str) -> str | int:
    return int(key) if isinstance(block, list) else key
