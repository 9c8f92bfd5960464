"""The attestation of a model is SLSA provenance of what was computed again."""

import base64
import json

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

from penstock.attestation.keys import load_public_key
from penstock.cli import main
from penstock.io.files import read_json, sha256
from tests.attestation.conftest import write_key
from tests.lookup.conftest import git

FILE = "models/iris_mlp/model.onnx.intoto.jsonl"


@pytest.fixture
def key(tmp_path):
    return write_key(tmp_path / "key.pem", "ed25519")


def test_a_signed_attestation_is_verified_by_penstock_and_by_securesystemslib(traced, key):
    assert traced.shown("iris_mlp", "--attest", FILE, "--key", key).code == 0
    public = key.with_suffix(".pub.pem")
    main(["verify", FILE, "--key", str(public)])
    assert [line.split()[1] for line in traced.capsys.readouterr().out.splitlines()] == ["passed"] * 3
    theirs = SSlibKey.from_crypto(load_public_key(public).key)
    envelope = Envelope.from_dict(json.loads((traced.root / FILE).read_text()))
    assert envelope.verify([theirs], threshold=1) == {theirs.keyid: theirs}


def test_the_provenance_names_what_the_model_is_made_of(traced, key):
    traced.shown("iris_mlp", "--attest", FILE, "--key", key, "--builder", "https://ci.example.org/penstock")
    statement = json.loads(base64.b64decode(json.loads((traced.root / FILE).read_text())["payload"]))
    assert statement["subject"] == [{"name": "model.onnx", "digest": {"sha256": traced.sha256}}]
    definition, details = (statement["predicate"][part] for part in ("buildDefinition", "runDetails"))
    materials = {one["name"]: one["digest"] for one in definition["resolvedDependencies"]}
    record = read_json(traced.files.validation)
    assert definition["externalParameters"]["model"] == "iris_mlp"
    assert definition["externalParameters"]["parameters"]["training"]["epochs"] == 2
    assert materials["data/processed/iris"] == {"md5": record["data"].removesuffix(".dir")}
    for name in ("params.yaml", "pipelines/train.py", "src/penstock/models/mlp.py", "data/raw/iris/bezdekIris.data"):
        assert materials[name] == {"sha256": sha256(traced.root / name)}
    run = traced.lineage("iris_mlp").links["run"]
    assert materials["source"] == {"gitCommit": run["tags"]["mlflow.source.git.commit"]}
    assert details["metadata"]["invocationId"] == run["run_id"]
    assert details["builder"]["id"] == "https://ci.example.org/penstock"


def test_without_a_key_the_plain_statement_is_written(traced):
    shown = traced.shown("iris_mlp", "--attest", "statement.json")
    assert "without a signature" in shown.err
    assert read_json(traced.root / "statement.json")["_type"] == "https://in-toto.io/Statement/v1"
    main(["verify", "statement.json", "--model", str(traced.files.onnx)])


def test_a_broken_chain_is_not_attested(traced, key):
    (traced.root / "src/penstock/training/more.py").write_text("")
    shown = traced.shown("iris_mlp", "--attest", FILE, "--key", key)
    assert shown.code == 1
    assert "error: not attested, since the link code is broken" in shown.err
    assert not (traced.root / FILE).exists()


def test_the_source_files_are_those_of_the_commit_where_they_differ_here(traced, key):
    name = "src/penstock/models/mlp.py"
    trained = sha256(traced.root / name)
    with (traced.root / name).open("a") as file:
        file.write("# not committed\n")
    assert traced.shown("models:/iris_mlp@champion", "--attest", FILE, "--key", key).code == 0
    statement = json.loads(base64.b64decode(json.loads((traced.root / FILE).read_text())["payload"]))
    materials = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {one["name"]: one["digest"] for one in materials}[name] == {"sha256": trained}


def test_what_was_not_computed_again_is_not_attested(traced, key):
    traced.files.weights.unlink()
    shown = traced.shown("iris_mlp", "--attest", FILE, "--key", key)
    assert shown.code == 1
    assert "the link ONNX file is partly checked: the weights are not here" in shown.err


def test_no_address_of_the_attestation_has_a_password(traced, key):
    git(traced.root, "remote", "add", "origin", "https://user:secret@example.org/penstock.git")
    traced.shown("iris_mlp", "--attest", FILE, "--key", key)
    statement = base64.b64decode(json.loads((traced.root / FILE).read_text())["payload"])
    assert b"git+https://example.org/penstock.git@" in statement
    assert b"secret" not in statement


def test_a_key_without_a_file_to_sign_is_an_error(traced, key):
    assert traced.shown("iris_mlp", "--key", key).code == 2
