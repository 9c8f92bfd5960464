"""defaults.json, which DVC tracks, has the defaults of the code."""

from penstock.config.defaults import FILE, defaults
from penstock.io.files import read_json


def test_the_file_is_current():
    assert read_json(FILE) == defaults(), "run `penstock config --write`"


def test_every_kind_of_network_and_every_task_has_its_part(config):
    found = defaults()
    assert {model.network.kind for model in config.every_model.values()} == found["network"].keys()
    assert {model.task for model in config.every_model.values()} == found["training"].keys() == found["gates"].keys()
    assert found["network"]["convolutional"]["ConvBlockConfig"] == "pool=1"
