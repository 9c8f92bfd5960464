"""Resolved settings, the JSON schema and `penstock config`."""

import json
import subprocess
import sys

import jsonschema_rs
from ruamel.yaml import YAML

from penstock.config import schema
from penstock.config.resolved import resolved_settings


def test_the_schema_is_current_and_accepts_params_yaml(repository):
    assert schema.FILE.read_text() == schema.schema_text(), "run `penstock config --write`"
    first = (repository / "params.yaml").read_text().splitlines()[0]
    assert first.endswith(str(schema.FILE.relative_to(repository)))
    document = json.loads(json.dumps(YAML(typ="safe").load(repository / "params.yaml")))
    validator = jsonschema_rs.validator_for(schema.schema())
    assert validator.is_valid(document)
    document["models"]["Iris MLP"] = document["models"]["iris_mlp"]
    assert not validator.is_valid(document)
    del document["models"]["Iris MLP"]
    document["models"]["iris_mlp"]["training"]["epoch"] = 3
    assert not validator.is_valid(document)


def test_every_key_has_a_description():
    blocks = [schema.schema(), *schema.schema()["$defs"].values()]
    missing = [
        f"{block['title']}.{key}"
        for block in blocks
        for key, field in block["properties"].items()
        if not field.get("description")
    ]
    assert not missing


def test_each_setting_has_its_source(repository, config):
    path = repository / "params.yaml"
    settings = {one.key: one for one in resolved_settings(path, config, "iris_mlp")}
    epochs = settings["models.iris_mlp.training.epochs"]
    line = int(epochs.source.removeprefix("params.yaml:"))
    assert epochs.value == 100
    assert path.read_text().splitlines()[line - 1].strip() == "epochs: 100"
    assert settings["models.iris_mlp.training.l2"][1:] == (0.0, "default (config/training.py)")
    assert settings["models.iris_mlp.training.optimizer.betas"].value == [0.9, 0.999]


def test_penstock_config_prints_a_table_and_json(linked_project):
    def run(*arguments):
        command = [sys.executable, "-m", "penstock.cli", "config", *arguments]
        return subprocess.run(command, cwd=linked_project, capture_output=True, text=True, check=True).stdout

    assert "training.epochs" in run("iris_mlp")
    settings = json.loads(run("--json"))
    assert {"key": "trainer.devices", "value": "auto"}.items() <= next(
        one for one in settings if one["key"] == "trainer.devices"
    ).items()
    assert json.loads(run("--schema"))["title"] == "Config"


def test_params_yaml_overrides_the_defaults(config):
    training = config.model("iris_mlp").training
    assert (training.epochs, training.batch_size, training.label_smoothing) == (100, 16, 0.05)
    assert training.optimizer.model_dump().items() >= {"kind": "adam", "learning_rate": 0.01}.items()
    assert training.schedule.model_dump().items() >= {"kind": "one_cycle", "warmup_fraction": 0.3}.items()
    assert config.model("mnist_gan").training.generator.betas == (0.5, 0.999)
    assert config.model("imdb_attention").network.tokens.init == "ppmi"
    assert not config.dataset("iris").split.drop_duplicates
