"""`dvc exp run -S KEY=VALUE` changes exactly that setting, and params.yaml is a fixed point of DVC's writer."""

import difflib
from collections.abc import Iterator
from contextlib import suppress
from functools import reduce
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import modify_yaml
from ruamel.yaml import YAML

from penstock.config.loading import load_config
from penstock.core.errors import ConfigError
from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "params.yaml").read_text()
# Blocks with an entry per dataset or model; each entry is a test of its own.
NAMED = ("datasets", "models", "tuned", "search")


@pytest.fixture
def params(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    return path


def leaves(block: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the keys of each scalar, positions in lists included, and the scalar."""
    if not isinstance(block, dict | list | tuple):
        yield keys, block
        return
    for key, value in block.items() if isinstance(block, dict) else enumerate(block):
        yield from leaves(value, (*keys, str(key)))


def values(text: str) -> dict[tuple[str, ...], Any]:
    """Return the scalars of a YAML text by their keys."""
    return dict(leaves(YAML(typ="safe").load(text)))


SCALARS = values(TEXT)
# Hydra's grammar cannot write a key with a dot in it, so `-S` does not reach these.
UNREACHABLE = {
    (*dataset, "files", file, key)
    for dataset, file in {(keys[:2], keys[3]) for keys in SCALARS if keys[0] == "datasets" and keys[2] == "files"}
    for key in ("bytes", "sha256")
} | {keys for keys in SCALARS if keys[0] == "search" and keys[2] == "space"}
BLOCKS = sorted({keys[: 2 if keys[0] in NAMED else 1] for keys in SCALARS})
QUICK = {("models", "iris_mlp"), ("models", "imdb_rnn_stacked"), ("datasets", "iris")}  # all others take minutes


def is_quick(block: tuple[str, ...]) -> bool:
    return block in QUICK or block[0] not in NAMED


def other(value: Any) -> Any:
    """Return another value of the same type and about the same length, a valid one for most numbers."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value / 2 or 0.1
        case None:
            return 1
    return f"{value[:-1]}y" if value.endswith("x") else f"{value[:-1]}x"


def override(keys: tuple[str, ...], value: Any) -> str:
    """Return KEY=VALUE as a person types it, with texts in quotes."""
    key = ".".join(keys)
    return f"{key}={value!r}" if isinstance(value, str) else f"{key}={str(value).lower()}"


def changed_lines(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[:2] in ("- ", "+ ")]


def test_dvc_rewrites_the_file_unchanged(params):
    with modify_yaml(params):
        pass
    assert params.read_text() == TEXT


def test_a_plus_adds_a_missing_key(params):
    apply_overrides(params, ["+models.iris_mlp.training.l2=0.001"])
    assert changed_lines(TEXT, params.read_text()) == ["+       l2: 0.001"]
    config = load_config(params)
    l2 = {name: config.model(name).training.model_dump()["l2"] for name in ("iris_mlp", "mnist_cnn")}
    assert l2 == {"iris_mlp": 0.001, "mnist_cnn": 0}


def test_a_list_is_replaced_in_place(params):
    apply_overrides(params, ["models.iris_mlp.network.hidden_sizes=[20,10]"])
    assert len(changed_lines(TEXT, params.read_text())) == 2
    assert load_config(params).model("iris_mlp").network.model_dump()["hidden_sizes"] == (20, 10)


def test_only_files_of_datasets_and_search_spaces_have_keys_with_dots():
    assert {keys for keys in SCALARS if any("." in key for key in keys)} == UNREACHABLE


@pytest.mark.parametrize(
    "block",
    [pytest.param(block, marks=() if is_quick(block) else pytest.mark.slow, id=".".join(block)) for block in BLOCKS],
)
def test_every_key_changes_alone(params, block):
    """No other value of the file changes, one line does, and all comments stay.

    The same holds for the resolved settings, where the changed value is valid: not for most texts, which are names.
    """
    resolved = dict(leaves(load_config(params).model_dump()))
    for keys in [keys for keys in SCALARS if keys[: len(block)] == block]:
        wanted = other(SCALARS[keys])
        change(params, keys, wanted)
        changed = params.read_text()
        assert values(changed) == SCALARS | {keys: wanted}, keys
        assert [line[0] for line in changed_lines(TEXT, changed)] == ["-", "+"], keys
        with suppress(ConfigError):
            assert dict(leaves(load_config(params).model_dump())) == resolved | {in_settings(keys): wanted}, keys
        params.write_text(TEXT)


def in_settings(keys):
    """Return the keys in the resolved settings, where a space of choices is the list alone."""
    return tuple(key for key in keys if key != "choices") if keys[0] == "search" else keys


def change(params, keys, value):
    """Change a setting with `-S`, or an unreachable one with the writer behind it."""
    if keys not in UNREACHABLE:
        apply_overrides(params, [override(keys, value)])
        return
    with modify_yaml(params) as document:
        block = reduce(lambda block, key: block[position(block, key)], keys[:-1], document)
        block[position(block, keys[-1])] = value


def position(block, key):
    return int(key) if isinstance(block, list) else key
