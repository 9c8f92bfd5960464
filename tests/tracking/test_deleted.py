"""Tests of what people delete on MLflow's page, and of an artifact store that fails."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from penstock.core.paths import Project
from penstock.io.provenance import Provenance
from penstock.tracking.client import connect, experiment_of
from penstock.tracking.run import track_model
from penstock.tracking.spool import spool_dir
from penstock.tracking.tags import DESCRIPTION, PARENT
from penstock.tracking.uri import tracking_uri
from tests.helpers.processes import wait_until

PROVENANCE = Provenance(model="iris_mlp", data="0.dir", parameters="p", code="c")


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def client(project, config) -> MlflowClient:
    return connect(tracking_uri(project, config))


def _train(project, config):
    with track_model(project, config, PROVENANCE) as run:
        run.log_parameters({"seed": 42})
        run.log_metrics({"val/loss": 0.5}, step=1)


def _wait_for_a_run(client) -> str:
    wait_until(lambda: any(run.data.metrics for run in _runs(client)), 60)
    (run,) = _runs(client)
    run_id: str = run.info.run_id
    return run_id


def _runs(client):
    return client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


def test_events_wait_until_a_deleted_experiment_is_restored(project, config, client, capfd):
    iris = experiment_of(client, "iris", None)
    client.delete_experiment(iris)
    _train(project, config)
    restore = f"MLFLOW_TRACKING_URI={tracking_uri(project, config)} mlflow experiments restore -x {iris}"
    assert f"the experiment iris was deleted; `{restore}`" in capfd.readouterr().err
    assert not _runs(client)
    client.restore_experiment(iris)
    with track_model(project, config, PROVENANCE) as run:
        run.set_tags({"stage": "validate"})
    (run,) = _runs(client)
    assert (run.data.params, run.info.experiment_id, run.info.status) == ({"seed": "42"}, iris, "FINISHED")
    assert not list(spool_dir(project).glob("*.jsonl"))


def test_the_run_after_a_deleted_one_has_its_parameters(project, config, client):
    with track_model(project, config, PROVENANCE) as run:
        run.log_parameters({"seed": 42})
        run.log_repeat("fold 1", {"accuracy": 0.9})
    old, _ = sorted(_runs(client), key=lambda run: PARENT in run.data.tags)
    client.set_tag(old.info.run_id, DESCRIPTION, "Iris by an MLP")
    client.delete_run(old.info.run_id)
    with track_model(project, config, PROVENANCE) as run:
        run.log_metrics({"test/accuracy": 1.0})
        run.log_repeat("fold 1", {"accuracy": 0.9})
    new, fold = sorted(_runs(client), key=lambda run: PARENT in run.data.tags)
    assert fold.data.tags[PARENT] == new.info.run_id
    assert new.data.params == {"seed": "42"}
    assert new.data.metrics == {"test/accuracy": 1.0}
    assert new.data.tags[DESCRIPTION] == "Iris by an MLP"


def test_a_run_that_is_deleted_while_its_stage_works_is_made_anew(project, config, client):
    with track_model(project, config, PROVENANCE) as run:
        run.log_parameters({"seed": 42})
        run.log_metrics({"val/loss": 0.5}, step=1)
        old = _wait_for_a_run(client)
        client.delete_run(old)
        run.log_metrics({"val/loss": 0.4}, step=2)
    (new,) = _runs(client)
    assert new.data.params == {"seed": "42"}
    assert [metric.value for metric in client.get_metric_history(new.info.run_id, "val/loss")] == [0.5, 0.4]
    assert [
        run.info.run_id for run in client.search_runs([new.info.experiment_id], run_view_type=ViewType.DELETED_ONLY)
    ] == [old]


def test_processes_that_create_an_experiment_at_once_get_the_same_one(client):
    with ThreadPoolExecutor(8) as pool:
        for number in range(5):
            assert len(set(pool.map(lambda name: experiment_of(client, name, None), [f"e{number}"] * 8))) == 1


def test_a_failing_artifact_store_costs_no_metric_and_a_later_stage_stores_the_file(project, config, client, capfd):
    artifacts = project.root / "mlruns"
    artifacts.write_text("not a folder")
    with track_model(project, config, PROVENANCE) as run:
        run.log_file("curves.png", b"png")
        run.log_metrics({"val/loss": 0.5}, step=1)
    (found,) = _runs(client)
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"val/loss": 0.5})
    assert "Not a directory" in capfd.readouterr().err
    artifacts.unlink()
    with track_model(project, config, PROVENANCE):
        pass
    (found,) = _runs(client)
    assert found.info.status == "FINISHED"
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["curves.png"]
    assert not list(spool_dir(project).glob("*.jsonl"))
