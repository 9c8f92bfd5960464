"""A server that requires attestations serves nothing else: at start and reload, from the registry, and as a shadow."""

import subprocess
import sys

import httpx
import pytest
from mlflow import MlflowClient

from penstock.attestation.envelope import PAYLOAD_TYPE, Envelope
from penstock.attestation.keys import load_private_key
from penstock.attestation.statement import Statement
from penstock.core.model_files import attestation_of
from penstock.io.files import sha256
from tests.attestation.conftest import PREDICATE, write_key
from tests.helpers.processes import wait_until
from tests.serving import tiny_models
from tests.serving.server_process import serving


@pytest.fixture
def key(tmp_path):
    return write_key(tmp_path / "key.pem", "ed25519")


@pytest.fixture
def folder(tmp_path, key):
    """A folder with an attested model."""
    folder = tmp_path / "models"
    tiny_models.save(folder, "fractions", tiny_models.fractions())
    attest(folder / "fractions/model.onnx", key)
    return folder


def attest(file, key, digest=""):
    payload = Statement({file.name: digest or sha256(file)}, PREDICATE).to_bytes()
    attestation_of(file).write_text(Envelope(payload, PAYLOAD_TYPE).signed([load_private_key(key)]).to_line())


def required(key):
    return ("--require-attestation", str(key.with_suffix(".pub.pem")))


def entry(served, name):
    index = httpx.get(f"{served.url}/v2/repository/index").json()
    return next((one for one in index if one["name"] == name), {"state": ""})


def serve(tmp_path, *arguments):
    command = [sys.executable, "-m", "penstock.cli", "serve", "--port", "0", *map(str, arguments)]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)


def test_only_attested_files_are_served_at_start_and_at_a_reload(folder, key, tmp_path):
    other_key = write_key(tmp_path / "other.pem", "p256")
    for name in ("without", "other_key", "other_bytes"):
        tiny_models.save(folder, name, tiny_models.fractions(1))
    attest(folder / "other_key/model.onnx", other_key)
    attest(folder / "other_bytes/model.onnx", key, "ab" * 32)
    with serving(tmp_path, str(folder), *required(key)) as served:
        first = entry(served, "fractions")["version"]
        assert entry(served, "without")["state"] == "UNAVAILABLE"
        assert "No such file" in entry(served, "without")["reason"]
        assert "`penstock lineage MODEL --attest FILE --key KEY.pem` writes one" in entry(served, "without")["reason"]
        assert "no signature of the key" in entry(served, "other_key")["reason"]
        assert "is not about this file" in entry(served, "other_bytes")["reason"]
        assert httpx.post(f"{served.url}/predict/without", json={"numbers": [2, 1]}).status_code == 404
        second = tiny_models.save(folder, "fractions", tiny_models.fractions(2))
        wait_until(lambda: "is not about this file" in entry(served, "fractions")["reason"])
        assert entry(served, "fractions")["version"] == first
        attest(folder / "fractions/model.onnx", key)
        wait_until(lambda: entry(served, "fractions")["version"] == second)


def test_a_server_without_an_attested_file_does_not_start(folder, key, tmp_path):
    attestation_of(folder / "fractions/model.onnx").unlink()
    done = serve(tmp_path, folder, *required(key))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {folder}/fractions/model.onnx: not served, as --require-attestation says: ")


def test_a_file_without_a_public_key_is_an_error(folder, key, tmp_path):
    assert serve(tmp_path, folder, "--require-attestation", key).stderr.startswith(
        f"error: {key}: this is a private key"
    )
    done = serve(tmp_path, folder, "--require-attestation", "none.pem")
    assert (done.returncode, done.stderr) == (
        2,
        "error: none.pem: No such file or directory; name the PEM file of a key\n",
    )


def test_a_challenger_needs_an_attestation_too(folder, key, tmp_path):
    tiny_models.save(tmp_path, "next", tiny_models.fractions(1))
    with serving(tmp_path, str(folder), "--shadow", f"fractions={tmp_path}/next", *required(key)) as served:

        def is_up():
            return 'penstock_shadow_up{model="fractions"} 1.0' in httpx.get(f"{served.url}/metrics").text

        tiny_models.save(folder, "later", tiny_models.fractions(2))
        wait_until(lambda: entry(served, "later")["state"])  # the challenger was looked at meanwhile
        assert not is_up()
        attest(tmp_path / "next/model.onnx", key)
        wait_until(is_up)


def test_attestations_of_registered_models_stand_beside_their_files_in_mlflow(folder, key, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    for name, attested in (("fractions", True), ("without", False)):
        home = tmp_path / "stored" / name
        tiny_models.save(tmp_path / "stored", name, tiny_models.fractions())
        if attested:
            attest(home / "model.onnx", key)
        client.create_registered_model(name)
        client.create_model_version(name, str(home), tags={"onnx.sha256": sha256(home / "model.onnx")})
    wanted = ("models:/fractions/1", "models:/without/1", "--registry-poll-seconds", "1", *required(key))
    with serving(tmp_path, *wanted, MLFLOW_TRACKING_URI=uri, XDG_CACHE_HOME=str(tmp_path / "cache")) as served:
        assert entry(served, "fractions")["state"] == "READY"
        assert entry(served, "without")["state"] == "UNAVAILABLE"
        attest(tmp_path / "stored/without/model.onnx", key)
        wait_until(lambda: entry(served, "without")["state"] == "READY")
