"""The settings of a place are those of the machine that trained the model."""

import pytest

from penstock.core.paths import Project
from penstock.io.files import canonical_hash
from penstock.io.provenance import training_relevant_settings
from penstock.lineage.place import Place


def _hash_where(config, **trainer):
    elsewhere = config.model_copy(update={"trainer": config.trainer.model_copy(update=trainer)})
    return canonical_hash(training_relevant_settings(elsewhere, "mnist_cnn"))


@pytest.mark.parametrize("trainer", [{"accelerator": "gpu", "devices": 1}, {"accelerator": "gpu", "devices": 8}])
def test_auto_stands_for_the_devices_of_the_machine_that_trained(repository, config, trainer):
    trained = _hash_where(config, **trainer)
    place = Place(Project(repository), "here", "mnist_cnn", trained)
    assert place.hashes["parameters"] == trained
    assert place.settings["trainer"].items() >= trainer.items()
    assert place.machine == f"accelerator gpu, devices {trainer['devices']}"


def test_another_setting_is_no_other_machine(repository, config):
    trained = _hash_where(config, accelerator="gpu", devices=1, precision="bf16-mixed")
    place = Place(Project(repository), "here", "mnist_cnn", trained)
    assert place.hashes["parameters"] == _hash_where(config)
    assert not place.machine
