"""Every command about a shadow in docs/serving.md and docs/experiments.md runs; its metrics are those of the server."""

import re
import shlex
import subprocess

import httpx
import pytest
from mlflow import MlflowClient

from penstock.io.files import sha256
from tests.conftest import REPOSITORY
from tests.helpers.processes import wait_until
from tests.serving import tiny_models
from tests.serving.server_process import serving


def section(page):
    text = (REPOSITORY / "docs" / page).read_text()
    return text.split("## Try a challenger in the shadow\n")[1].split("\n## ")[0]


TEXT = section("serving.md")
COMMANDS = {
    line
    for text in (TEXT, section("experiments.md"))
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for line in block.splitlines()
}
SERVE = sorted(command for command in COMMANDS if command.startswith("penstock serve "))
(CURL,) = COMMANDS - set(SERVE)


@pytest.fixture
def project(tmp_path):
    """A project with the model mnist_cnn, which has a champion and a challenger in the registry, and two files."""
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").write_text("models: {mnist_cnn: {}}")
    tiny_models.save(tmp_path / "models", "mnist_cnn", tiny_models.sides())
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    client.create_registered_model("mnist_cnn")
    for alias in ("champion", "challenger"):
        (tmp_path / f"{alias}.onnx").write_bytes(tiny_models.sides().SerializeToString())
        tiny_models.save(tmp_path / "registered", alias, tiny_models.sides())
        digest = sha256(tmp_path / "registered" / alias / "model.onnx")
        (tmp_path / f"{alias}.validation.json").write_text(f'{{"sha256": "{digest}"}}')
        source = f"{tmp_path}/registered/{alias}"
        version = client.create_model_version("mnist_cnn", source, tags={"onnx.sha256": digest}).version
        client.set_registered_model_alias("mnist_cnn", alias, version)
    return tmp_path


@pytest.mark.parametrize("command", SERVE)
def test_every_command_of_the_section_runs(project, command):
    uri, cache = f"sqlite:///{project}/mlflow.db", str(project / "cache")
    options = shlex.split(command)[2:]
    with serving(project, *options, MLFLOW_TRACKING_URI=uri, XDG_CACHE_HOME=cache) as served:
        (name,) = httpx.get(f"{served.url}/models").json()
        curl = CURL.replace("127.0.0.1:8080", served.http)
        wait_until(
            lambda: f'penstock_shadow_up{{model="{name}"}} 1.0' in subprocess.check_output(curl, shell=True, text=True)
        )
        found = subprocess.check_output(curl, shell=True, text=True)
    told = set(re.findall(r"^\| `(penstock_\w+)`", TEXT, re.MULTILINE))
    assert told == set(re.findall(r"^# TYPE (penstock_shadow\w+)", found, re.MULTILINE))
