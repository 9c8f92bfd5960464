"""Tests of a project that was moved or copied after its runs, and of the copies that DVC makes for experiments."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import list_artifacts

from penstock.core.paths import Project
from penstock.io.provenance import Provenance
from penstock.tracking.moved_project import follow_moved_project
from penstock.tracking.run import track_model
from penstock.tracking.uri import tracking_uri

PROVENANCE = Provenance(model="iris_mlp", data="0.dir", parameters="p", code="c")


def _log(project, config, name):
    with track_model(project, config, PROVENANCE) as run:
        run.log_file(name, b"content")


def _files(project, config) -> tuple[str, list[str]]:
    """Return the artifact location of the only run, and its artifacts."""
    client = MlflowClient(tracking_uri(project, config))
    (run,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    return run.info.artifact_uri, sorted(file.path for file in client.list_artifacts(run.info.run_id))


@pytest.mark.parametrize("transfer", [shutil.move, shutil.copytree])
def test_runs_of_a_moved_project_are_continued_in_its_new_folder(tmp_path, config, capfd, transfer):
    old, new = Project(tmp_path / "a folder, 100%"), Project(tmp_path / "new")
    old.root.mkdir()
    _log(old, config, "before.txt")
    transfer(str(old.root), str(new.root))
    before = _everything(old.root)
    _log(new, config, "after.txt")
    assert capfd.readouterr().err.count("the project was in") == 1
    location, files = _files(new, config)
    assert location.startswith((new.root / "mlruns").as_uri())
    assert files == ["after.txt", "before.txt"]
    assert _everything(old.root) == before
    assert list_artifacts(artifact_uri=location)


def test_a_database_of_several_projects_keeps_its_addresses(tmp_path, config):
    shared = config.model_copy(
        update={"tracking": config.tracking.model_copy(update={"uri": f"sqlite:///{tmp_path}/runs.db"})}
    )
    project = Project(tmp_path / "project")
    project.root.mkdir()
    for name in ("one.txt", "two.txt"):
        _log(project, shared, name)
    location, files = _files(project, shared)
    assert location.startswith((project.root / "mlruns").as_uri())
    assert files == ["one.txt", "two.txt"]


def test_a_relative_address_is_that_of_the_working_directory(tmp_path, config, monkeypatch, capsys):
    old, new = Project(tmp_path / "old"), Project(tmp_path / "new")
    old.root.mkdir()
    _log(old, config, "before.txt")
    shutil.move(old.root, new.root)
    monkeypatch.chdir(new.root)
    follow_moved_project("sqlite:///mlflow.db")
    assert "the project was in" in capsys.readouterr().err
    location, _ = _files(new, config)
    assert location.startswith((new.root / "mlruns").as_uri())


def test_a_copy_that_dvc_made_logs_to_the_project(tmp_path, config, monkeypatch):
    copy = Project(tmp_path / ".dvc" / "tmp" / "exps" / "standalone" / "tmp1")
    copy.root.mkdir(parents=True)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))  # as DVC does for the stages of a queued experiment
    _log(copy, config, "curves.png")
    assert not _everything(copy.root)
    monkeypatch.delenv("DVC_ROOT")
    location, files = _files(Project(tmp_path), config)
    assert location.startswith((tmp_path / "mlruns").as_uri())
    assert files == ["curves.png"]


def test_the_root_of_another_project_is_no_original(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "other"))
    assert Project(tmp_path / "this").original == Project(tmp_path / "this")


def _everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))
