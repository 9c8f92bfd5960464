"""Every link of the chain of a model is computed again; a broken one is named."""

import json
import shutil
import sqlite3

import numpy as np
import onnx
import pytest
from mlflow import MlflowClient
from onnx import numpy_helper

from penstock.io.files import read_json, write_json
from tests.lookup.conftest import git
from tests.serving import third_party_models

LINKS = [
    "source files",
    "processed data",
    "parameters",
    "code",
    "commit",
    "run",
    "weights",
    "ONNX file",
    "validation",
    "registered",
    "served",
]


def test_every_link_of_a_trained_model_is_intact(traced):
    found = traced.lineage("iris_mlp")
    assert list(found.links) == LINKS
    assert {name: link["status"] for name, link in found.links.items()} == dict.fromkeys(LINKS, "ok") | {
        "served": "not checked"
    }
    assert found.code == 0
    assert all(check["status"] == "ok" for name in LINKS[:-1] for check in found.links[name]["checks"])
    assert found.links["registered"]["versions"][0]["aliases"] == ["champion"]
    assert found.links["parameters"]["settings"]["training.epochs"] == 2


def _tamper(path, old=None, new=None):
    """Change one byte of a file, or a text in it; the file may be a link into DVC's cache."""
    content = path.read_bytes()
    path.unlink()
    if old is None:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        assert old in content
        path.write_bytes(content.replace(old, new))


def source_file(traced):
    _tamper(traced.root / "data/raw/iris/bezdekIris.data")


def declared_checksum(traced):
    _tamper(traced.project.params, b"0fed2a99db77ec53", b"1fed2a99db77ec53")


def processed_array(traced):
    _tamper(traced.root / "data/processed/iris/train/inputs.npy")


def processed_file_more(traced):
    (traced.root / "data/processed/iris/more.npy").write_bytes(b"")


def setting(traced):
    traced.small.edit_params(models__iris_mlp__training__batch_size=17)


def training_code(traced):
    (traced.root / "src/penstock/training/more.py").write_text("")


def header_of_weights(traced):
    _tamper(traced.files.weights, b"iris_mlp", b"iris_mlq")


def value_of_weights(traced):
    _tamper(traced.files.weights)


def weights_cut_off(traced):
    content = traced.files.weights.read_bytes()
    traced.files.weights.unlink()
    traced.files.weights.write_bytes(content[:100])


def value_in_onnx(traced):
    model = onnx.load(traced.files.onnx)
    tensor = next(one for one in model.graph.initializer if one.name.endswith("weight"))
    tensor.CopyFrom(numpy_helper.from_array(np.nextafter(numpy_helper.to_array(tensor), np.float32(9)), tensor.name))
    traced.files.onnx.unlink()
    onnx.save(model, traced.files.onnx)


def validation_record(traced):
    _tamper(traced.files.validation, traced.sha256.encode(), b"0" * 64)


def provenance_in_validation_record(traced):
    record = read_json(traced.files.validation)
    traced.files.validation.unlink()
    write_json(traced.files.validation, record | {"data": "other.dir"})


def report(traced):
    _tamper(traced.files.validation_report, traced.sha256.encode(), b"0" * 64)


def score_in_report(traced):
    content = read_json(traced.files.validation_report)
    content["parity"]["max_abs_diff"] = 0.5
    write_json(traced.files.validation_report, content)


def _tag_of_run(traced, tag, value):
    client = MlflowClient(traced.uri)
    client.set_tag(traced.lineage("iris_mlp").links["run"]["run_id"], tag, value)


def data_of_run(traced):
    _tag_of_run(traced, "dvc.data", "other.dir")


def file_of_run(traced):
    _tag_of_run(traced, "onnx.sha256", "0" * 64)


def commit_of_run(traced):
    _tag_of_run(traced, "mlflow.source.git.commit", _other_commit(traced))


def _other_commit(traced):
    """Make a commit with other settings, and return to the present one."""
    text = traced.project.params.read_text()
    setting(traced)
    git(traced.root, "commit", "--quiet", "--message", "other", "params.yaml")
    other = git(traced.root, "rev-parse", "HEAD").strip()
    traced.project.params.write_text(text)
    return other


def parameter_of_run(traced):
    with sqlite3.connect(traced.root / "mlflow.db") as database:
        changed = database.execute("UPDATE params SET value = '7' WHERE key = 'training.batch_size'")
        assert changed.rowcount > 0


def tag_of_version(traced):
    MlflowClient(traced.uri).set_model_version_tag("iris_mlp", "1", "parameters", "p")


def stored_file(traced):
    for path in (traced.root / "mlruns").rglob("model.onnx"):
        _tamper(path)


def stored_file_gone(traced):
    for path in (traced.root / "mlruns").rglob("model.onnx"):
        path.unlink()


BREAKS = {
    source_file: ["source files"],
    declared_checksum: ["source files"],
    processed_array: ["processed data"],
    processed_file_more: ["processed data"],
    setting: ["parameters"],
    training_code: ["code"],
    commit_of_run: ["commit"],
    data_of_run: ["run"],
    file_of_run: ["run"],
    parameter_of_run: ["run"],
    header_of_weights: ["weights"],
    value_of_weights: ["weights", "ONNX file"],
    weights_cut_off: ["weights"],
    value_in_onnx: ["ONNX file"],
    validation_record: ["validation"],
    provenance_in_validation_record: ["validation"],
    report: ["validation"],
    score_in_report: ["validation"],
    tag_of_version: ["registered"],
    stored_file: ["registered"],
    stored_file_gone: ["registered"],
}


@pytest.mark.parametrize("tamper", BREAKS, ids=lambda one: one.__name__)
def test_a_broken_link_is_named(traced, tamper):
    tamper(traced)
    found = traced.lineage("iris_mlp")
    broken = [name for name, link in found.links.items() if link["status"] == "broken"]
    assert set(BREAKS[tamper]) <= set(broken)
    assert found.code == 1
    for name in BREAKS[tamper]:
        for check in found.links[name]["checks"]:
            if check["status"] == "broken":
                assert check["remedy"]
                assert check["found"] != check["expected"] or not check["expected"]
    if tamper is not value_in_onnx:  # other bytes are also not those of run, validation and registry
        assert broken == BREAKS[tamper]


def test_a_file_that_is_not_here_is_not_checked_and_does_not_pass(traced):
    shutil.rmtree(traced.root / "data/raw")
    shutil.rmtree(traced.root / "data/processed")
    shutil.rmtree(traced.root / ".dvc/cache")
    traced.files.weights.unlink()
    found = traced.lineage("iris_mlp")
    statuses = {name: link["status"] for name, link in found.links.items()}
    unchecked = ("source files", "weights", "served")
    partly = ("processed data", "ONNX file")  # dvc.lock is here
    assert statuses == (
        dict.fromkeys(LINKS, "ok") | dict.fromkeys(unchecked, "not checked") | dict.fromkeys(partly, "partly checked")
    )
    assert found.code == 0


@pytest.mark.parametrize("name", ["path", "sha256", "run", "alias", "version", "revision"])
def test_every_name_of_a_model_leads_to_the_same_chain(traced, name):
    run_id = traced.lineage("iris_mlp").links["run"]["run_id"]
    text = {
        "path": "models/iris_mlp/model.onnx",
        "sha256": traced.sha256,
        "run": run_id,
        "alias": "models:/iris_mlp@champion",
        "version": "models:/iris_mlp/1",
        "revision": "iris_mlp@HEAD",
    }[name]
    found = traced.lineage(text)
    assert found.sha256 == traced.sha256
    assert {link["status"] for one, link in found.links.items() if one != "served"} <= {"ok", "partly checked"}
    assert found.links["run"]["run_id"] == run_id


def test_a_revision_is_traced_by_its_commit_and_the_cache_of_dvc(traced):
    setting(traced)
    training_code(traced)
    processed_array(traced)
    found = traced.lineage("iris_mlp@HEAD")
    for name in ("processed data", "parameters", "code", "commit"):
        assert found.links[name]["status"] == "ok", name
    assert "cache" in found.links["processed data"]["checks"][0]["text"]
    assert found.code == 0


def test_a_damaged_cache_breaks_the_data_of_a_revision(traced):
    shutil.rmtree(traced.root / "data/processed")
    listing = found_in_cache(traced, read_json(traced.files.validation)["data"])
    _tamper(found_in_cache(traced, json.loads(listing.read_text())[0]["md5"]))
    assert traced.broken("iris_mlp@HEAD") == ["processed data"]


def found_in_cache(traced, md5):
    return traced.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def test_a_registered_version_is_traced_by_the_commit_of_its_run(traced):
    """Its settings and code are those of the commit, although the files here have changed since."""
    setting(traced)
    training_code(traced)
    assert traced.broken("iris_mlp") == ["parameters", "code"]
    assert traced.broken("models:/iris_mlp@champion") == []


def test_the_file_of_a_sha256_is_that_of_any_version_that_still_has_it(traced):
    digest = traced.sha256
    value_in_onnx(traced)
    MlflowClient(traced.uri).create_model_version("iris_mlp", str(traced.root / "gone"), tags={"onnx.sha256": digest})
    found = traced.lineage(digest)
    assert (found.code, found.sha256) == (1, digest)
    assert found.links["registered"]["status"] == "broken"
    assert found.links["ONNX file"]["status"] != "broken"


def test_a_setting_that_differs_is_named_with_both_values_and_the_remedy(traced):
    setting(traced)
    (check,) = traced.lineage("iris_mlp").links["parameters"]["checks"]
    assert "training.batch_size 17, trained with 16" in check["text"]
    assert check["remedy"].startswith("`dvc repro train@iris_mlp`")
    assert "git checkout" in check["remedy"]
    shown = traced.shown("iris_mlp")
    assert shown.code == 1
    assert f"found     {check['found']}" in shown.out
    assert f"expected  {check['expected']}" in shown.out
    assert shown.out.splitlines()[-1].endswith("1 broken: parameters")


def test_the_int8_file_is_quantized_again(traced):
    found = traced.lineage("iris_mlp.int8")
    assert found.links["ONNX file"]["status"] == "ok"
    model = onnx.load(traced.files.int8)
    model.producer_name = "somebody else"
    traced.files.int8.unlink()
    onnx.save(model, traced.files.int8)
    assert "ONNX file" in traced.broken("iris_mlp.int8")


def test_the_file_of_another_model_is_not_taken_for_that_of_the_folder(traced):
    _tamper(traced.files.int8, b"iris_mlp", b"iris_mlq")
    assert traced.broken("iris_mlp.int8") == ["ONNX file"]


def test_a_file_alone_shows_its_metadata(traced, tmp_path, monkeypatch):
    file = shutil.copy(traced.files.onnx, tmp_path / "alone.onnx")
    monkeypatch.chdir(tmp_path)
    found = traced.lineage(file)
    assert found.code == 0
    assert {link["status"] for link in found.links.values()} == {"not checked"}
    provenance = read_json(traced.files.validation)
    assert {name: found.links[name]["what"] for name in ("model", "data", "parameters", "code")} == {
        name: provenance[name] for name in ("model", "data", "parameters", "code")
    }


def test_a_file_that_penstock_did_not_export_shows_its_metadata_in_a_project_too(traced, tmp_path):
    onnx.save(third_party_models.double("n", 2), tmp_path / "foreign.onnx")
    shown = traced.shown(tmp_path / "foreign.onnx")
    assert (shown.code, shown.err) == (0, "")
    assert "Penstock did not export this file; below is what its metadata say" in shown.out


def test_a_name_outside_a_project_is_an_error(traced, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = traced.shown("iris_mlp")
    assert shown.code == 2
    assert shown.err == "error: iris_mlp: no such file; outside a Penstock project, name an ONNX file or a server\n"


@pytest.mark.parametrize("text", ["nothing", "f" * 64, "f" * 32, "models:/iris_mlp@none", "none.onnx"])
def test_a_text_that_names_nothing_is_an_error(traced, text):
    shown = traced.shown(text)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.splitlines()[-1].startswith(f"error: {text}: ")
