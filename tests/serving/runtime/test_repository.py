"""Model files that appear, change and break while the folders are watched."""

import asyncio
import hashlib
import json
import re
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from penstock.core.digests import file_digest
from penstock.core.errors import ConfigError, PenstockError
from penstock.core.listed_models import is_listed
from penstock.deployment.deployable_model import deployable_models
from penstock.io.files import write_bytes, write_json
from penstock.serving.runtime.repository import Repository, load_named
from penstock.serving.runtime.sources import require_sources
from tests.serving import tiny_models

SECONDS = 20  # in which something must have been seen


def watched(repository, change, condition):
    """Watch the repository after `change()` until `condition()` holds."""

    async def run():
        watching = asyncio.create_task(repository.watch(0.01))
        change()
        async with asyncio.timeout(SECONDS):
            while not condition():
                assert not watching.done()
                await asyncio.sleep(0.01)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    asyncio.run(run())


def loaded(folder):
    repository = Repository([folder])
    repository.load()
    return repository


def with_bfloat16(home):
    content = tiny_models.bfloat16().SerializeToString()
    write_bytes(home / "model.onnx", content)
    write_json(home / "validation.json", {"sha256": hashlib.sha256(content).hexdigest()})


BREAKS = {
    "a list": (lambda home: write_bytes(home / "validation.json", b"[]"), "validation.json: not a JSON object"),
    "no UTF-8": (
        lambda home: write_bytes(home / "validation.json", b"\xff{}"),
        "validation.json: not valid JSON (str is not valid UTF-8",
    ),
    "no JSON": (
        lambda home: write_bytes(home / "validation.json", b"{"),
        "validation.json: not valid JSON (unexpected end of data: line 1",
    ),
    "too deep": (
        lambda home: write_bytes(home / "validation.json", b"[" * 100_000),
        "validation.json: not valid JSON (depth limit exceeded",
    ),
    "bfloat16": (with_bfloat16, "model.onnx: numbers: has type tensor(bfloat16), which is not served; cast it in the "),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_a_broken_file_is_rejected_and_the_old_model_stays(tmp_path, kind):
    damage, reason = BREAKS[kind]
    first = tiny_models.save(tmp_path, "fractions", tiny_models.fractions())
    tiny_models.adopt(tmp_path, "fractions", tiny_models.fractions(shift=1))
    repository = loaded(tmp_path)
    watched(repository, lambda: damage(tmp_path / "fractions"), lambda: repository.rejected)
    assert reason in repository.rejected["fractions"]
    assert repository.get("fractions").version == first
    second = tiny_models.save(tmp_path, "fractions", tiny_models.fractions(shift=2))
    watched(repository, lambda: None, lambda: repository.get("fractions").version == second)
    assert not repository.rejected


@pytest.mark.parametrize("kind", BREAKS)
def test_a_broken_file_does_not_stop_the_others_at_startup(tmp_path, kind):
    for name in ("broken", "whole"):
        tiny_models.save(tmp_path, name, tiny_models.fractions())
        tiny_models.adopt(tmp_path, name, tiny_models.fractions(shift=1))
    damage, reason = BREAKS[kind]
    damage(tmp_path / "broken")
    repository = loaded(tmp_path)
    assert repository.names == ["whole", "whole.int8"]
    assert reason in repository.rejected["broken"]


def test_the_watch_survives_a_missing_folder(tmp_path, monkeypatch):
    tiny_models.save(tmp_path, "fractions", tiny_models.fractions())
    repository = loaded(tmp_path)
    changed, failures = repository._changed_files, [OSError("stale"), OSError("stale")]

    def fail_at_first():
        if failures:
            raise failures.pop()
        return changed()

    monkeypatch.setattr(repository, "_changed_files", fail_at_first)
    second = tiny_models.save(tmp_path, "fractions", tiny_models.fractions(shift=2))
    watched(repository, lambda: None, lambda: repository.get("fractions").version == second)


def test_folders_that_start_with_a_dot_are_ignored(tmp_path):
    tiny_models.save(tmp_path, "fractions", tiny_models.fractions())
    shutil.copytree(tmp_path / "fractions", tmp_path / ".another.new")
    assert loaded(tmp_path).names == ["fractions"]


def test_an_int8_candidate_is_served_until_it_is_withdrawn(tmp_path):
    tiny_models.save(tmp_path, "fractions", tiny_models.fractions())
    tiny_models.adopt(tmp_path, "fractions", tiny_models.fractions(shift=1))
    repository = loaded(tmp_path)
    assert repository.names == ["fractions", "fractions.int8"]
    (tmp_path / "fractions/model.int8.onnx").unlink()
    (tmp_path / "fractions/validation.json").unlink()  # as `dvc repro` does before it makes them again
    watched(
        repository,
        lambda: tiny_models.save(tmp_path, "newcomer", tiny_models.fractions()),
        lambda: "newcomer" in repository.names,
    )
    assert "fractions.int8" in repository.names
    tiny_models.save(tmp_path, "fractions", tiny_models.fractions(shift=2))
    watched(repository, lambda: None, lambda: "fractions.int8" not in repository.names)
    tiny_models.adopt(tmp_path, "fractions", tiny_models.fractions(shift=1))
    watched(repository, lambda: None, lambda: "fractions.int8" in repository.names)


@pytest.fixture
def project(tmp_path):
    """A project whose params.yaml has `old` and, among the tuned models, `moved`."""
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").write_text("models:\n  old: {}\ntuned:\n  moved: {}\n")
    tiny_models.save(tmp_path / "models", "old", tiny_models.fractions())
    return tmp_path


def folders(project):
    return [project / "models", project / "tuned/models"]


def test_a_model_that_params_yaml_no_longer_has_is_withdrawn(project):
    tiny_models.save(project / "models", "new", tiny_models.fractions())
    repository = Repository(folders(project))
    repository.load()
    assert repository.names == ["old"]
    assert "models/new: not served, since params.yaml has no such model" in repository.rejected["new"]
    renamed = "models:\n  new: {}\n"
    watched(repository, lambda: (project / "params.yaml").write_text(renamed), lambda: repository.names == ["new"])
    assert [(one["name"], one["state"]) for one in repository.index()] == [("new", "READY"), ("old", "UNAVAILABLE")]


def test_params_yaml_that_is_being_edited_withdraws_nothing(project):
    assert is_listed(project / "models/old")
    (project / "params.yaml").write_text("models: {old: {")
    assert is_listed(project / "models/old")


def test_a_model_that_became_a_tuned_one_is_served_from_there(project):
    tiny_models.save(project / "models", "moved", tiny_models.fractions())
    version = tiny_models.save(project / "tuned/models", "moved", tiny_models.fractions(shift=1))
    repository = Repository(folders(project))
    repository.load()
    assert repository.get("moved").version == version


def test_packages_leave_out_a_model_that_params_yaml_does_not_have(project):
    tiny_models.save(project / "models", "new", tiny_models.fractions())
    models, (reason,) = deployable_models(folders(project))
    assert [model.name for model in models] == ["old"]
    assert "`rm -r " in reason
    with pytest.raises(PenstockError, match="not served, since"):
        deployable_models(folders(project), ["new"])


def _save(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _export(project, name):
    tiny_models.save(project / "models", name, tiny_models.fractions())
    (project / "models" / name / "validation.json").unlink()


def _measure(project, name):
    _export(project, name)
    sha256 = file_digest(project / "models" / name / "model.onnx", "sha256")
    _save(project / "reports" / name / "validation.json", json.dumps({"onnx": {"sha256": sha256}}))


def _export_again(project, name):
    _export(project, name)
    _save(project / "reports" / name / "validation.json", json.dumps({"onnx": {"sha256": "of the last file"}}))


STATES = {
    "nothing": (lambda *_: None, "not here; `penstock repro register@new` trains it"),
    "trained": (
        lambda project, name: _save(project / "models" / name / "weights.safetensors"),
        "not exported yet; run `penstock repro register@new`",
    ),
    "exported": (_export, "exported, but not validated yet; run `penstock repro register@new`"),
    "exported again": (_export_again, "exported, but not validated yet; run `penstock repro register@new`"),
    "validated": (
        _measure,
        "validated, but it has not passed its gates; `penstock repro register@new` checks",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_a_model_that_is_not_ready_names_the_missing_step_and_the_command(project, monkeypatch, state):
    make, says = STATES[state]
    (project / "params.yaml").write_text("models:\n  old: {}\n  new: {}\n")
    make(project, "new")
    says = f"^new: {re.escape(says)}"
    with pytest.raises(PenstockError, match=says):
        load_named("new", folders(project))
    with pytest.raises(PenstockError, match=says):
        deployable_models(folders(project), ["new"])
    monkeypatch.chdir(project)
    with pytest.raises(ConfigError, match=says):  # `penstock serve new`
        require_sources([Path("new")])


def test_the_command_of_a_tuned_model_names_its_pipeline(project):
    with pytest.raises(ConfigError, match=r"moved: not here; `penstock repro tuned/dvc\.yaml:register@moved`"):
        load_named("moved", folders(project))


def test_an_unknown_model_has_a_hint_that_knows_models_not_trained_yet(project):
    with pytest.raises(ConfigError, match="no model 'move'; did you mean 'moved'"):
        load_named("move", folders(project))


def test_what_cannot_be_served_is_answered_with_what_can(project, monkeypatch):
    monkeypatch.chdir(project)
    with pytest.raises(ConfigError, match="old: no such file or folder; did you mean 'models/old'"):
        require_sources([Path("old")])
    with pytest.raises(ConfigError, match="move: no such file or folder; did you mean 'moved'"):
        require_sources([Path("move")])
    with pytest.raises(ConfigError, match=r"moved/model\.onnx: not here; `penstock repro tuned/"):
        require_sources([Path("tuned/models/moved/model.onnx")])


def test_reasons_name_no_folder_of_the_server_and_decide_about_readiness(tmp_path):
    tiny_models.save(tmp_path, "fractions", tiny_models.fractions())
    tiny_models.save_bytes(tmp_path, "broken", b"no model")
    repository = Repository([tmp_path])
    repository.load()
    assert str(tmp_path) not in repository.rejected["broken"]
    assert f"{tmp_path.name}/broken/model.onnx: not an ONNX file" in repository.rejected["broken"]
    assert repository.is_ready(all_models=False)
    assert not repository.is_ready(all_models=True)
