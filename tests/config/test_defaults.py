"""defaults.json, which DVC tracks, equals the defaults in the code."""

import pytest

from penstock.config import defaults as module
from penstock.config.defaults import FILE, defaults
from penstock.config.loading import load_config
from penstock.config.models import BASELINE_KINDS
from penstock.core.errors import ConfigError
from penstock.io.files import read_json, write_json


def test_the_file_is_current():
    assert read_json(FILE) == defaults(), "run `penstock config --write`"


def test_each_kind_of_network_and_each_task_has_an_entry(config):
    found = defaults()
    assert {model.network.kind for model in config.every_model.values()} <= found["network"].keys()
    assert {model.task for model in config.every_model.values()} <= BASELINE_KINDS.keys()
    assert found["training"].keys() == found["gates"].keys() == BASELINE_KINDS.keys()
    assert found["network"]["convolutional"]["ConvBlockConfig"] == "pool=1"


def test_load_config_rejects_an_outdated_file(repository, tmp_path, monkeypatch):
    write_json(tmp_path / FILE.name, defaults() | {"checks": "leakage=1"})
    monkeypatch.setattr(module, "FILE", tmp_path / FILE.name)
    with pytest.raises(ConfigError, match=r"defaults\.json: not current: run `penstock config --write`"):
        load_config(repository / "params.yaml")
