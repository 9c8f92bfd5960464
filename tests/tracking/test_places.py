"""Runs are recorded in the project's folder, whatever its name."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from mlflow import MlflowClient

from penstock.core.paths import Project
from penstock.tracking.run import track_model
from penstock.tracking.uri import absolute, tracking_uri
from tests.tracking.test_tracking import PROVENANCE


# MLflow keeps the databases of a process by their relative address: each folder below has another depth.
@pytest.mark.parametrize(("name", "below"), [("50%2Foff", "a"), ("a#b?c=d&e", "a/b"), ('it\'s "b"', "a/b/c")])
def test_runs_and_artifacts_are_in_a_folder_with_an_odd_name(tmp_path, monkeypatch, config, name, below):
    project = Project(tmp_path / name)
    project.root.mkdir()
    monkeypatch.chdir(project.root)
    with track_model(project, config, PROVENANCE) as run:
        run.log_metrics({"train/loss": 1.0}, step=1)
        run.log_file("note.txt", b"content")
    (project.root / below).mkdir(parents=True)
    monkeypatch.chdir(project.root / below)
    client = MlflowClient(tracking_uri(project, config))
    (found,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert found.data.metrics == {"train/loss": 1.0}
    assert project.root in Path(url2pathname(urlsplit(found.info.artifact_uri).path)).parents
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["note.txt"]
    assert list(project.root.glob("mlruns/*/*/artifacts/note.txt"))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert absolute(tracking_uri(project, config)) == f"sqlite:///{project.root}/mlflow.db"
