"""`dvc exp run -S KEY=VALUE` changes exactly that setting, and params.yaml is a fixed point of DVC's writer."""

import difflib
from collections.abc import Iterator
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import modify_yaml
from ruamel.yaml import YAML

from penstock.config.loading import load_config
from tests.conftest import REPOSITORY


@pytest.fixture
def params(repository, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((repository / "params.yaml").read_text())
    return path


def leaves(block: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Dotted keys, positions in lists included, with their values."""
    if not isinstance(block, dict | list):
        yield keys, block
        return
    for key, value in block.items() if isinstance(block, dict) else enumerate(block):
        yield from leaves(value, (*keys, str(key)))


def other(value: Any) -> Any:
    """Another value of the same type and about the same length."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
    return f"{value[:-1]}y" if value.endswith("x") else f"{value[:-1]}x"


def override(keys: tuple[str, ...], value: Any) -> str:
    """KEY=VALUE as a person types it, with texts in quotes."""
    key = ".".join(keys)
    return f"{key}={value!r}" if isinstance(value, str) else f"{key}={str(value).lower()}"


def changed_lines(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[:2] in ("- ", "+ ")]


def test_the_file_is_a_fixed_point_of_dvcs_writer(params, repository):
    with modify_yaml(params):
        pass
    assert params.read_text() == (repository / "params.yaml").read_text()


def test_a_key_that_is_not_in_the_file_is_added_by_a_plus(params):
    before = params.read_text()
    apply_overrides(params, ["+models.iris_mlp.training.l2=0.001"])
    assert changed_lines(before, params.read_text()) == ["+       l2: 0.001"]
    config = load_config(params)
    l2 = {name: config.model(name).training.model_dump()["l2"] for name in ("iris_mlp", "mnist_cnn")}
    assert l2 == {"iris_mlp": 0.001, "mnist_cnn": 0}


def test_a_list_is_replaced_in_place(params):
    before = params.read_text()
    apply_overrides(params, ["models.iris_mlp.network.hidden_sizes=[20,10]"])
    assert len(changed_lines(before, params.read_text())) == 2
    assert load_config(params).model("iris_mlp").network.model_dump()["hidden_sizes"] == (20, 10)


@pytest.mark.parametrize("block", ["download", "tracking", "trainer", "checkpoints", "num_seeds", "baselines"])
def test_every_shared_key_changes_alone(params, block):
    assert_every_key_changes_alone(params, (block,))


@pytest.mark.parametrize("dataset", ["iris", "mnist", "imdb"])
def test_every_key_of_a_dataset_changes_alone(params, dataset):
    assert_every_key_changes_alone(params, ("datasets", dataset))


MODELS = list(load_config(REPOSITORY / "params.yaml").every_model)
QUICK = ("iris_mlp", "imdb_rnn_stacked")  # all the others take a minute


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in MODELS]
)
def test_every_key_of_a_model_changes_alone(params, model):
    block = "models" if model in load_config(params).models else "tuned"
    assert_every_key_changes_alone(params, (block, model))


def assert_every_key_changes_alone(params, prefix):
    """No other value of the file changes, one line does, and all comments stay.

    Names of files are left out: Hydra's grammar has no way to write a key with a dot in it.
    """
    text = params.read_text()
    before = dict(leaves(YAML(typ="safe").load(text)))
    chosen = [keys for keys in before if keys[: len(prefix)] == prefix and not any("." in key for key in keys)]
    assert chosen
    for keys in chosen:
        wanted = other(before[keys])
        apply_overrides(params, [override(keys, wanted)])
        changed = params.read_text()
        assert dict(leaves(YAML(typ="safe").load(changed))) == before | {keys: wanted}, keys
        assert [line[0] for line in changed_lines(text, changed)] == ["-", "+"], keys
        params.write_text(text)
