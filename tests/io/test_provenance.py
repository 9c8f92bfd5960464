"""Test provenance: its code hash covers only the modules that a model uses."""

from copy import deepcopy

import pytest

from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.io.provenance import training_provenance, training_relevant_settings
from tests.conftest import REPOSITORY

ALL = set(load_config(REPOSITORY / "params.yaml").models)


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("src/penstock/models/gan.py", {"mnist_gan"}),
        ("src/penstock/models/convolutional.py", {"mnist_cnn", "mnist_cnn_small", "mnist_cnn_deep"}),
        ("src/penstock/tasks/reconstruction/module.py", {"mnist_autoencoder"}),
        ("src/penstock/training/fit.py", ALL),
        ("src/penstock/tracking/run.py", set()),
    ],
)
def test_edited_file_changes_code_hash_of_models_that_use_it(changed_run, edited, changed):
    before = codes(changed_run.root)
    with (changed_run.root / edited).open("a") as source:
        source.write("# edited\n")
    after = codes(changed_run.root)
    assert {name for name in before if before[name] != after[name]} == changed & before.keys()


def test_models_with_equal_settings_have_different_keys(changed_run):
    document = changed_run.read_params()
    document["models"]["twin"] = deepcopy(document["models"]["iris_mlp"])
    changed_run.write_params(document)
    project = Project(changed_run.root)
    config = load_config(project.params)
    one, twin = (training_provenance(project, config, name) for name in ("iris_mlp", "twin"))
    assert one.parameters == twin.parameters
    assert one.key != twin.key


@pytest.mark.parametrize(
    ("gpus", "changes", "resolved"),
    [
        (0, {}, ("cpu", 1, "32-true")),
        (1, {}, ("gpu", 1, "32-true")),
        (2, {}, ("gpu", 2, "32-true")),
        (2, {"devices": 1}, ("gpu", 1, "32-true")),
        (2, {"accelerator": "cpu"}, ("cpu", 1, "32-true")),
        (1, {"precision": "16-mixed"}, ("gpu", 1, "16-mixed")),
        (0, {"precision": "16-mixed"}, ("cpu", 1, "bf16-mixed")),
        (1, {"accelerator": "cpu", "precision": "16-mixed"}, ("cpu", 1, "bf16-mixed")),
    ],
)
def test_devices_and_precision_are_recorded_as_lightning_resolves_them(config, monkeypatch, gpus, changes, resolved):
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    changed_config = config.model_copy(update={"trainer": config.trainer.model_copy(update=changes)})
    found = training_relevant_settings(changed_config, "iris_mlp")["trainer"]
    assert (found["accelerator"], found["devices"], found["precision"]) == resolved


def codes(root):
    project = Project(root)
    config = load_config(project.params)
    return {name: training_provenance(project, config, name).code for name in config.models}


def test_behaviour_tests_and_gates_change_no_key(config):
    iris = config.datasets["iris"].model_copy(update={"behaviour": {}})
    model = config.models["iris_mlp"]
    gates = model.gates.model_copy(update={"macro_f1": 0.5, "behaviour": {}})
    edited = config.model_copy(
        update={
            "datasets": config.datasets | {"iris": iris},
            "models": config.models | {"iris_mlp": model.model_copy(update={"gates": gates})},
        }
    )
    assert training_relevant_settings(edited, "iris_mlp") == training_relevant_settings(config, "iris_mlp")
