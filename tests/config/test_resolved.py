"""Defaults, schema and `penstock config`."""

import json
import subprocess
import sys

import jsonschema_rs
import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from penstock.config import schema
from penstock.config.loading import load_config
from penstock.config.resolved import resolved_settings
from penstock.core.errors import ConfigError


def scalars(document, keys=()):
    """Every scalar of a YAML document that `-S KEY=VALUE` can name, as (keys, value)."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from scalars(value, (*keys, key))
    elif not isinstance(document, list):
        yield keys, document


def other_value(keys, value):
    """A valid value that differs from this one."""
    words = {"kind": None, "auto": "cpu", "cpu": "auto", "32-true": "bf16-mixed"}
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 if isinstance(value, int) and value > 0 else value + 0.001
    return words.get(value)


def overrides(document):
    """`-S` arguments: one for each scalar key that has another valid value on its own."""
    for keys, value in scalars(document):
        other = other_value(keys, value)
        if other is not None and not any("." in str(key) or "/" in str(key) for key in keys):
            yield keys, f"{'.'.join(map(str, keys))}={json.dumps(other)}"


@pytest.mark.parametrize("every", [12, pytest.param(1, marks=pytest.mark.slow)])
def test_each_scalar_key_is_changed_alone_and_the_rest_of_the_file_is_kept(repository, tmp_path, every):
    """As `dvc exp run -S` writes it: one setting of one model, at most two lines, every comment kept."""
    text = (repository / "params.yaml").read_text()
    document = YAML(typ="safe").load(text)
    path = tmp_path / "params.yaml"
    chosen = list(overrides(document))
    assert len(chosen) > 200
    for keys, override in chosen[::every]:
        path.write_text(text)
        apply_overrides(path, [override])
        changed = path.read_text()
        lines = [(a, b) for a, b in zip(text.splitlines(), changed.splitlines(), strict=True) if a != b]
        assert 1 <= len(lines) <= 2, override
        after = dict(scalars(YAML(typ="safe").load(changed)))
        assert [key for key, value in scalars(document) if after[key] != value] == [keys], override


def test_the_schema_is_current_and_accepts_the_file(repository):
    assert schema.FILE.read_text() == schema.schema_text(), "run `penstock config --write`"
    first = (repository / "params.yaml").read_text().splitlines()[0]
    assert first.endswith(str(schema.FILE.relative_to(repository)))
    document = json.loads(json.dumps(YAML(typ="safe").load(repository / "params.yaml")))
    validator = jsonschema_rs.validator_for(schema.schema())
    assert validator.is_valid(document)
    document["models"]["iris_mlp"]["training"]["epoch"] = 3
    assert not validator.is_valid(document)


def test_a_setting_says_where_it_comes_from(repository, config):
    path = repository / "params.yaml"
    settings = {one.key: one for one in resolved_settings(path, config, "iris_mlp")}
    epochs = settings["models.iris_mlp.training.epochs"]
    line = int(epochs.source.removeprefix("params.yaml:"))
    assert epochs.value == 100
    assert path.read_text().splitlines()[line - 1].strip() == "epochs: 100"
    assert settings["models.iris_mlp.training.l2"][1:] == (0.0, "default (config/training.py)")
    assert settings["models.iris_mlp.training.optimizer.betas"].value == [0.9, 0.999]


def test_the_command_prints_a_table_and_json(linked_project):
    def run(*arguments):
        command = [sys.executable, "-m", "penstock.cli", "config", *arguments]
        return subprocess.run(command, cwd=linked_project, capture_output=True, text=True, check=True).stdout

    assert "training.epochs" in run("iris_mlp")
    settings = json.loads(run("--json"))
    assert {"key": "trainer.devices", "value": "auto"}.items() <= next(
        one for one in settings if one["key"] == "trainer.devices"
    ).items()
    assert json.loads(run("--schema"))["title"] == "Config"


OLD = """
judges:
  mnist_judge: {dataset: mnist, classifier: mnist_cnn_tuned}
models:
  iris_mlp:
    documented: 83 parameters
    network: {kind: mlp, hidden: [10]}
    training: {weight_average: 0.9, schedule: {kind: one_cycle, warm_up: 0.2}}
    int8: larger
"""


def test_an_old_file_is_told_the_new_keys(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(OLD)
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert str(raised.value).splitlines() == [
        "params.yaml:2: judges: renamed to fid_references; its classifier is a documented model",
        "params.yaml:6: models.iris_mlp.documented: renamed to reference, a list of lines",
        "params.yaml:7: models.iris_mlp.network.hidden: renamed to hidden_sizes, or hidden_size of a recurrent network",
        "params.yaml:8: models.iris_mlp.training.weight_average: renamed to ema_decay",
        "params.yaml:8: models.iris_mlp.training.schedule.warm_up: renamed to warmup_fraction",
        "params.yaml:9: models.iris_mlp.int8: is a block: {serve: true}, or {serve: false, reason: slower}",
    ]


@pytest.mark.parametrize("yaml", ["a: &block {b: 1}\nc: *block\n", "a: &block {b: 1}\nc: {<<: *block}\n"])
def test_anchors_are_refused(tmp_path, yaml):
    path = tmp_path / "params.yaml"
    path.write_text(yaml)
    with pytest.raises(ConfigError, match=r"params\.yaml:1: YAML anchors .* are not allowed, since `dvc exp run"):
        load_config(path)
