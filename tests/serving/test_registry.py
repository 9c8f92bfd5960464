"""Models of the MLflow registry: from a tracking server with moving aliases, and from a project's database."""

import os
import signal
import subprocess
import sys
from functools import partial

import httpx
import numpy as np
import onnxruntime
import pytest
from mlflow import MlflowClient

from penstock.core.paths import Project
from penstock.io.files import sha256
from penstock.io.provenance import Provenance
from penstock.registry.promote import open_champions
from penstock.registry.registration import VersionContent, register_version
from penstock.tracking.run import track_model
from tests.helpers.processes import wait_until
from tests.serving import tiny_models
from tests.serving.server_process import serving
from tests.tracking.mlflow_server import MlflowServer

PROVENANCE = Provenance(model="iris_mlp", data="d.dir", parameters="p", code="c")
ROW = np.array([tiny_models.GOOD], np.float32)
CHAMPION = ("models:/fractions@champion", "--registry-poll-seconds", "0.2")


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory):
    server = MlflowServer(tmp_path_factory.mktemp("server"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def register(mlflow_server, tmp_path_factory, config):
    """Register a model on a run, as champion or with another alias; return the version that the server would show."""
    project = Project(tmp_path_factory.mktemp("project"))
    tracking = config.tracking.model_copy(update={"uri": mlflow_server.uri})
    with track_model(project, config.model_copy(update={"tracking": tracking}), PROVENANCE):
        pass
    client = MlflowClient(mlflow_server.uri)
    (run,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    path = project.root / "model.onnx"

    def register(shift, digest="", alias="champion"):
        path.write_bytes(tiny_models.fractions(shift).SerializeToString())
        content = VersionContent(name="fractions", path=path, sha256=sha256(path), example=ROW, provenance=PROVENANCE)
        version = register_version(client, run.info.run_id, content).version
        if digest:
            client.set_model_version_tag("fractions", version, "onnx.sha256", digest)
        client.set_registered_model_alias("fractions", alias, version)
        return content.sha256[:12]

    return register


@pytest.fixture
def environment(mlflow_server, tmp_path):
    """The server runs in a folder that is not a project."""
    links = tmp_path / "links"
    links.mkdir()
    return {"MLFLOW_TRACKING_URI": mlflow_server.uri, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(links)}


def folders_of_links(tmp_path):
    """onnxruntime leaves its own file beside them."""
    return list((tmp_path / "links").glob("penstock-*"))


def described(served):
    return httpx.get(f"{served.url}/v2/models/fractions").raise_for_status().json()


def answer(served):
    response = httpx.post(f"{served.url}/predict/fractions", json={"numbers": tiny_models.GOOD})
    return response.raise_for_status().json()["sum"]


@pytest.mark.slow
def test_a_moved_alias_is_followed_without_a_failed_request(register, environment, tmp_path):
    first = register(100.0)
    with serving(tmp_path, *CHAMPION, **environment) as served:
        found = described(served)
        assert found["versions"] == [first]
        assert found["parameters"]["source"].startswith("models:/fractions/")
        assert len(found["parameters"]["run_id"]) == 32
        before = answer(served)
        second = register(200.0)
        wait_until(lambda: answer(served) == before + 100)
        assert described(served)["versions"] == [second]
    assert not folders_of_links(tmp_path)


def test_a_promotion_and_its_rollback_are_followed(register, environment, mlflow_server, config, tmp_path):
    tracking = config.tracking.model_copy(update={"uri": mlflow_server.uri})
    settings = config.model_copy(update={"tracking": tracking})
    first = register(600.0)
    with serving(tmp_path, *CHAMPION, **environment) as served:
        second = register(700.0, alias="challenger")
        assert described(served)["versions"] == [first]
        with open_champions(Project(tmp_path), settings, "fractions") as champions:
            champions.promote("", "the server follows")
        wait_until(lambda: described(served)["versions"] == [second])
        with open_champions(Project(tmp_path), settings, "fractions") as champions:
            champions.rollback("and back")
        wait_until(lambda: described(served)["versions"] == [first])


def test_an_unvalidated_file_changes_nothing(register, environment, tmp_path, capfd):
    said = ""

    def warned():
        nonlocal said
        said += capfd.readouterr().err
        return "the file in MLflow is not the one that was validated" in said

    first = register(300.0)
    with serving(tmp_path, *CHAMPION, **environment) as served:
        register(400.0, digest="0" * 64)
        wait_until(warned)
        assert described(served)["versions"] == [first]


def test_a_killed_server_leaves_no_process_and_no_links(register, environment, tmp_path):
    register(500.0)
    with pytest.raises(AssertionError), serving(tmp_path, *CHAMPION, **environment) as served:
        assert folders_of_links(tmp_path)
        served.process.send_signal(signal.SIGKILL)
        served.process.wait()
    wait_until(lambda: not folders_of_links(tmp_path))


def test_the_shadow_follows_the_alias_of_the_challenger(register, mlflow_server, environment, tmp_path):
    """The alias is set, moves and is removed while the server runs."""
    champion = register(600.0)
    client = MlflowClient(mlflow_server.uri)
    shadow = ("--shadow", "fractions=models:/fractions@challenger", "--shadow-share", "1")

    def challenge(shift):
        version = register(shift)
        number = client.get_model_version_by_alias("fractions", "champion").version
        client.set_registered_model_alias("fractions", "challenger", number)
        return version

    def metric(name):
        lines = httpx.get(f"{served.url}/metrics").text.splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"penstock_shadow_{name}")), 0)

    def compared(version):
        assert answer(served) == 610.5
        pair = f'{{challenger="{version}",champion="{champion}",model="fractions"}}'
        return metric(f"requests_total{pair}")

    number = client.get_model_version_by_alias("fractions", "champion").version
    with serving(tmp_path, f"models:/fractions/{number}", *CHAMPION[1:], *shadow, **environment) as served:
        assert compared("none") == 0
        for shift in (700.0, 800.0):
            wait_until(partial(compared, challenge(shift)))
        client.delete_registered_model_alias("fractions", "challenger")
        wait_until(lambda: metric("up") == 0)
        assert metric('rows_total{agreement="different"') > 0
    assert not folders_of_links(tmp_path)


def test_registered_models_are_served_from_the_project_database(small_run, tmp_path):
    wanted = ("models:/imdb_lstm@champion", "models:/imdb_lstm.int8@champion", "models:/mnist_autoencoder/1")
    with serving(small_run.root, *wanted, XDG_CACHE_HOME=str(tmp_path)) as served:
        assert httpx.get(f"{served.url}/models").json().keys() == {"imdb_lstm", "imdb_lstm.int8", "mnist_autoencoder"}
        for name, file in (("imdb_lstm", "model.onnx"), ("imdb_lstm.int8", "model.int8.onnx")):
            text = "A wonderful film."
            likely = httpx.post(f"{served.url}/predict/{name}", json={"text": text}).json()["probabilities"]
            session = onnxruntime.InferenceSession(small_run.root / "models/imdb_lstm" / file)
            (expected,) = session.run(["probabilities"], {"text": [text]})
            assert list(likely.values()) == pytest.approx(expected[0].tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("models", "code", "says"),
    [
        (["iris_mlp"], 2, "iris_mlp: no such file or folder; name an ONNX file, a folder, or models:/NAME@ALIAS"),
        (["models:/a/../b"], 2, "models:/a/../b: write models:/NAME@ALIAS"),
        (["models:/a@champion", "models:/a/1"], 2, "a: is named twice"),
        (["models:/nothing@champion"], 1, "models:/nothing@champion: MLflow at http"),
    ],
)
def test_unservable_models_give_a_one_line_error(environment, tmp_path, models, code, says):
    command = [sys.executable, "-m", "penstock.cli", "serve", *models]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {says}")


def test_a_missing_tracking_uri_gives_a_hint(tmp_path):
    command = [sys.executable, "-m", "penstock.cli", "serve", "models:/a@champion"]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: MLFLOW_TRACKING_URI: set it to MLflow's address")
