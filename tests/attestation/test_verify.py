"""Attestations beside files, and the command `penstock verify`."""

import hashlib
import json
import subprocess

import pytest

from penstock.attestation.bundle import Attestation, attestation_of, read_bundle
from penstock.attestation.envelope import PAYLOAD_TYPE, Envelope
from penstock.attestation.keys import load_private_key, load_public_key
from penstock.attestation.statement import Statement
from penstock.attestation.verify import require_attestation
from penstock.cli import main
from penstock.core.errors import AttestationError, ConfigError
from tests.attestation.conftest import PREDICATE, STATEMENT, write_key


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(b"the model")
    return file


@pytest.fixture
def attested(model, key):
    """Return the attestation of a model; key.pub.pem beside it is that of its signature."""
    path = attestation_of(model)
    path.write_text(_line(model, key))
    return path


def _digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _line(model, *keys, predicate=PREDICATE):
    statement = Statement({model.name: _digest(model)}, predicate)
    return Envelope(statement.to_bytes(), PAYLOAD_TYPE).signed(keys).to_line()


def _verify(capsys, *arguments):
    """Return the exit code, and the lines of the output as {check: (result, text)}."""
    code: str | int | None = 0
    try:
        main(["verify", *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    out = capsys.readouterr()
    lines = [line.split("  ", 1) for line in out.out.splitlines()]
    return code, {name: text.strip() for name, text in lines}, out.err


def test_the_attestation_has_the_name_of_the_specification(model):
    assert attestation_of(model).name == "model.onnx.intoto.jsonl"


def test_an_attested_model_passes_every_check(attested, capsys):
    code, checks, _ = _verify(capsys, attested, "--key", attested.with_name("key.pub.pem"))
    assert code == 0
    assert [text.split()[0] for text in checks.values()] == ["passed"] * 3


def test_what_is_not_checked_is_not_said_to_pass(attested, model, capsys):
    model.unlink()
    code, checks, _ = _verify(capsys, attested)
    assert code == 0
    assert checks["signature"].startswith("not checked")
    assert checks["subject"].startswith("not checked")


def test_another_model_fails(attested, model, capsys):
    model.write_bytes(b"another model")
    code, checks, _ = _verify(capsys, attested, "--model", model)
    assert code == 1
    assert checks["subject"].startswith("FAILED")
    assert _digest(model) in checks["subject"]


def test_another_key_fails(attested, tmp_path, capsys):
    write_key(tmp_path / "other.pem", "ed25519")
    code, checks, _ = _verify(capsys, attested, "--key", tmp_path / "other.pub.pem")
    assert (code, checks["signature"].split()[0]) == (1, "FAILED")


def test_each_named_key_must_have_signed(attested, tmp_path, capsys):
    write_key(tmp_path / "other.pem", "p256")
    keys = ["--key", tmp_path / "key.pub.pem", "--key", tmp_path / "other.pub.pem"]
    assert _verify(capsys, attested, *keys)[0] == 1


def test_an_unsigned_statement_has_form_and_subject_only(model, tmp_path, capsys):
    path = attestation_of(model)
    path.write_text(json.dumps(Statement({"model.onnx": _digest(model)}, PREDICATE).to_json(), indent=2))
    code, checks, _ = _verify(capsys, path)
    assert (code, checks["signature"]) == (0, "not checked  it has none")
    write_key(tmp_path / "key.pem", "ed25519")
    assert _verify(capsys, path, "--key", tmp_path / "key.pub.pem")[0] == 1


def test_other_lines_of_a_bundle_are_passed_over(attested, model, key, capsys):
    other = Envelope(b'{"_type": "something else"}', PAYLOAD_TYPE).signed([key]).to_line()
    attested.write_text(f"{other}not JSON\n[1]\n{_line(model, key)}")
    assert len(read_bundle(attested)) == 2
    assert _verify(capsys, attested, "--key", attested.with_name("key.pub.pem"))[0] == 0
    assert require_attestation(model, _digest(model), key.public).subjects == {"model.onnx": _digest(model)}


@pytest.mark.parametrize("content", ["", "not JSON", "[]", '{"payload": "e30="}', "\xff"])
def test_a_file_without_an_attestation_is_an_error(content, tmp_path, capsys):
    path = tmp_path / "model.onnx.intoto.jsonl"
    path.write_text(content, encoding="latin-1")
    code, _, err = _verify(capsys, path)
    assert code == 1
    assert err.startswith(f"error: {path}: has no in-toto attestation")


def test_names_do_not_control_the_terminal(model, capsys):
    path = attestation_of(model)
    path.write_text(json.dumps(Statement({"\x1b[2Jmodel": _digest(model)}, PREDICATE).to_json()))
    main(["verify", str(path)])
    assert "?[2Jmodel" in capsys.readouterr().out


def test_a_missing_file_is_an_error(tmp_path, capsys):
    assert _verify(capsys, tmp_path / "none")[2] == f"error: {tmp_path / 'none'}: No such file or directory\n"


def test_a_server_can_require_an_attestation(attested, model, key, tmp_path):
    other = load_private_key(write_key(tmp_path / "other.pem", "ed25519")).public
    assert require_attestation(model, _digest(model), key.public).predicate == PREDICATE
    with pytest.raises(AttestationError, match="no signature of the key"):
        require_attestation(model, _digest(model), other)
    with pytest.raises(AttestationError, match="not about this file"):
        require_attestation(model, "0" * 64, key.public)
    attested.unlink()
    with pytest.raises(AttestationError, match=r"model\.onnx\.intoto\.jsonl: No such file"):
        require_attestation(model, _digest(model), key.public)


def test_a_signed_line_does_not_vouch_for_an_unsigned_one(attested, model, key):
    first = attested.read_text()
    model.write_bytes(b"another model")
    attested.write_text(first + _line(model))
    with pytest.raises(AttestationError, match="not about this file"):
        require_attestation(model, _digest(model), key.public)


def _changed(path, value):
    """Return the statement with another value at a path."""
    content = json.loads(STATEMENT.to_bytes())
    *parents, last = path
    holder = content
    for one in parents:
        holder = holder[one]
    holder[last] = value
    return json.dumps(content).encode()


DEFINITION, DETAILS = ("predicate", "buildDefinition"), ("predicate", "runDetails")


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("_type",), "https://in-toto.io/Statement/v0.1", "_type"),
        (("predicateType",), "https://slsa.dev/provenance/v0.2", "predicateType"),
        (("subject",), [], "subject"),
        (("subject", 0, "name"), None, "subject[0].name"),
        (("subject", 0, "digest"), {"sha256": "AB" * 32}, "subject[0].digest.sha256"),
        (("predicate",), [], "predicate.buildDefinition"),
        ((*DEFINITION, "buildType"), "train", "buildDefinition.buildType"),
        ((*DEFINITION, "externalParameters"), None, "buildDefinition.externalParameters"),
        ((*DEFINITION, "resolvedDependencies", 0, "digest"), {}, "resolvedDependencies[0].digest"),
        ((*DETAILS, "builder"), {}, "builder.id"),
    ],
)
def test_a_statement_of_another_form_is_rejected_by_its_field(path, value, named):
    attestation = Attestation(Envelope(_changed(path, value), PAYLOAD_TYPE))
    with pytest.raises(AttestationError) as error:
        attestation.statement()
    assert str(error.value).startswith(named)


def test_another_payload_type_is_not_read():
    with pytest.raises(AttestationError, match="payloadType"):
        Attestation(Envelope(STATEMENT.to_bytes(), "application/json")).statement()


def test_keys_of_openssl_sign_and_verify(tmp_path):
    private, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    envelope = Envelope(b"{}", PAYLOAD_TYPE).signed([load_private_key(private)])
    assert envelope.is_signed_by(load_public_key(public))


def test_an_encrypted_key_needs_its_password(tmp_path, monkeypatch):
    path = write_key(tmp_path / "key.pem", "ed25519", password="secret")
    with pytest.raises(ConfigError, match="set PENSTOCK_KEY_PASSWORD"):
        load_private_key(path)
    monkeypatch.setenv("PENSTOCK_KEY_PASSWORD", "wrong")
    with pytest.raises(ConfigError, match="is not its password"):
        load_private_key(path)
    monkeypatch.setenv("PENSTOCK_KEY_PASSWORD", "secret")
    assert load_private_key(path).public == load_public_key(tmp_path / "key.pub.pem")


def test_a_private_key_is_not_taken_for_a_public_one(tmp_path):
    with pytest.raises(ConfigError, match="this is a private key"):
        load_public_key(write_key(tmp_path / "key.pem", "ed25519"))


# The library reads keys of the first kind, and not those of the second.
@pytest.mark.parametrize("kind", [("x25519",), ("EC", "-pkeyopt", "ec_paramgen_curve:secp112r1")])
def test_other_kinds_of_keys_are_named(tmp_path, kind):
    private, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", *kind, "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    for load, path in ((load_private_key, private), (load_public_key, public)):
        with pytest.raises(ConfigError, match="keys are Ed25519 or ECDSA P-256"):
            load(path)
        path.write_text("no key")
        with pytest.raises(ConfigError, match="in PEM"):
            load(path)
