"""defaults.json, which DVC tracks, has the defaults of the code."""

import pytest

from penstock.config import defaults as module
from penstock.config.defaults import FILE, defaults
from penstock.config.loading import load_config
from penstock.core.errors import ConfigError
from penstock.io.files import read_json, write_json


def test_the_file_is_current():
    assert read_json(FILE) == defaults(), "run `penstock config --write`"


def test_every_kind_of_network_and_every_task_has_its_part(config):
    found = defaults()
    assert {model.network.kind for model in config.every_model.values()} == found["network"].keys()
    assert {model.task for model in config.every_model.values()} == found["training"].keys() == found["gates"].keys()
    assert found["network"]["convolutional"]["ConvBlockConfig"] == "pool=1"


def test_settings_are_refused_while_the_file_is_not_current(repository, tmp_path, monkeypatch):
    write_json(tmp_path / FILE.name, defaults() | {"checks": "leakage=1"})
    monkeypatch.setattr(module, "FILE", tmp_path / FILE.name)
    with pytest.raises(ConfigError, match=r"defaults\.json: not current: run `penstock config --write`"):
        load_config(repository / "params.yaml")
