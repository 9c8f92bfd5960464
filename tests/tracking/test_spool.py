"""Tests of event logs and of their upload."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from mlflow import MlflowClient

from penstock.core.paths import Project
from penstock.io.provenance import Provenance
from penstock.tracking import client
from penstock.tracking.run import TrackedRun
from penstock.tracking.spool import EventLog, pending_logs, read_events, spool_dir
from penstock.tracking.tail import TailingUploader
from penstock.tracking.uploader import Uploader, upload_pending_logs

PROVENANCE = Provenance(model="iris_mlp", data="0123456789abcdef0123456789abcdef.dir", parameters="p", code="c")
HERE, THERE = "http://here:5000", "http://there:5000"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def uri(tmp_path):
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def write(project, uri):
    """Return a function that writes the event log of a finished stage; `log` is called with its run."""

    def write(log=lambda run: None, uri=uri, provenance=PROVENANCE):
        with closing(EventLog(spool_dir(project), uri)) as events:
            log(TrackedRun(events.add, project, "iris", provenance))
        return events.path

    return write


def runs(uri):
    client = MlflowClient(uri)
    return client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


def found(uri):
    return {run.info.run_name: run for run in runs(uri)}


def test_partial_line_is_ignored(write):
    log = write(lambda run: run.end("FINISHED"))
    log.write_bytes(log.read_bytes()[:-3])
    assert [event.kind for event, _ in read_events(log)] == ["begin"]


def test_reading_continues_at_an_offset(write):
    log = write(lambda run: run.set_tags({"device": "cpu"}))
    (_, behind), _ = read_events(log)
    assert [event.kind for event, _ in read_events(log, behind)] == ["tags"]


def test_metrics_may_be_numpy_scalars(write):
    log = write(lambda run: run.log_metrics({"train/loss": np.float32(0.5)}))
    *_, (event, _) = read_events(log)
    assert event.content["metrics"] == {"train/loss": 0.5}


def test_logs_of_running_stages_and_for_other_addresses_are_not_pending(project, write):
    log, _ = write(uri=HERE), write(uri=THERE)
    running = EventLog(spool_dir(project), HERE)
    assert (pending_logs(spool_dir(project), HERE)) == [log]
    running.close()
    assert (pending_logs(spool_dir(project), HERE)) == [log, running.path]


def test_credentials_are_ignored_and_not_written(project, write):
    log = write(uri="http://user:secret@host:5000")
    assert b"secret" not in log.read_bytes()
    assert "secret" not in log.name
    assert pending_logs(spool_dir(project), "http://user:changed@host:5000/") == [log]


def test_a_second_upload_changes_nothing(write, uri):
    def log_everything(run):
        run.log_parameters({"network": {"hidden": [10]}})
        run.log_metrics({"train/loss": 1.0}, step=1)
        run.log_repeat("fold 1.1", {"val/accuracy": 0.9})
        run.end("FINISHED")

    log = write(log_everything)
    for _ in range(2):
        Uploader(log, uri).upload_pending()
    assert found(uri).keys() == {"iris_mlp", "fold 1.1"}
    assert history(uri, "train/loss") == [1.0]


@pytest.mark.parametrize("part", ["model", "data", "parameters", "code"])
def test_each_provenance_has_its_own_run(write, uri, part):
    other = replace(PROVENANCE, **{part: "mnist_cnn"})
    for provenance in (PROVENANCE, other, PROVENANCE):
        Uploader(write(provenance=provenance), uri).upload_pending()
    assert sorted(run.data.tags["penstock.key"] for run in runs(uri)) == sorted([PROVENANCE.key, other.key])


def test_metrics_of_a_new_file_replace_those_of_the_old_one(write, uri):
    for sha256, accuracy, milliseconds in (("a", 0.5, 2.0), ("a", 0.5, 3.0), ("b", 0.9, 4.0)):
        metrics = {"test/accuracy": accuracy, "latency/batch_1_ms": milliseconds}
        Uploader(write(lambda run: run.log_validation(metrics, sha256)), uri).upload_pending()  # noqa: B023
    data = found(uri)["iris_mlp"].data
    assert data.metrics == {"test/accuracy": 0.9, "latency/batch_1_ms": 4.0}
    assert data.tags["onnx.sha256"] == "b"
    assert history(uri, "latency/batch_1_ms") == [2.0, 4.0]


def test_fold_and_seed_are_finished_child_runs_with_their_parameters(write, uri):
    def log_everything(run):
        run.log_parameters({"training": {"epochs": 3, "seed": 1}})
        run.log_repeat("seed 2", {"test/accuracy": 0.9})
        run.log_repeat("fold 1.2", {"val/accuracy": 0.8})

    Uploader(write(log_everything), uri).upload_pending()
    parent, child = (found(uri)[name] for name in ("iris_mlp", "fold 1.2"))
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.metrics == {"val/accuracy": 0.8}
    assert child.data.params == {"training.epochs": "3", "training.seed": "1", "fold": "1.2"}
    assert child.data.tags["mlflow.source.type"] == parent.data.tags["mlflow.source.type"]
    assert child.info.status == "FINISHED"
    assert found(uri)["seed 2"].data.params == {"training.epochs": "3", "training.seed": "2"}


def test_child_run_without_metrics_receives_them_later(write, uri, monkeypatch):
    log = write(lambda run: run.log_repeat("fold 1.1", {"val/accuracy": 0.9}))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MlflowClient, "log_batch", fails_with(KeyboardInterrupt))
        Uploader(log, uri).upload_pending()
    assert found(uri)["fold 1.1"].data.metrics == {}
    Uploader(log, uri).upload_pending()
    assert found(uri)["fold 1.1"].data.metrics == {"val/accuracy": 0.9}


def test_file_is_uploaded_as_an_artifact(write, uri):
    Uploader(write(lambda run: run.log_file("samples.gif", b"GIF89a")), uri).upload_pending()
    files = MlflowClient(uri).list_artifacts(found(uri)["iris_mlp"].info.run_id)
    assert [file.path for file in files] == ["samples.gif"]


def test_times_are_of_the_events_not_of_the_upload(write, uri):
    log = write(lambda run: run.log_metrics({"train/loss": 1.0}, step=1))
    (begin, _), (metrics, _) = read_events(log)
    Uploader(log, uri).upload_pending()
    run = found(uri)["iris_mlp"]
    (metric,) = MlflowClient(uri).get_metric_history(run.info.run_id, "train/loss")
    assert (run.info.start_time, metric.timestamp) == (begin.at, metrics.at)


def test_rejected_event_is_quarantined_and_the_rest_is_uploaded(project, write, uri, capsys):
    def log_everything(run):
        run.set_tags({"": "a tag without a name"})
        run.set_tags({"device": "cpu"})
        run.end("FINISHED")

    log = write(log_everything)
    upload_pending_logs(spool_dir(project), uri)
    assert capsys.readouterr().err.count("rejects an event of this stage") == 1
    run = found(uri)["iris_mlp"]
    assert (run.data.tags["device"], run.info.status) == ("cpu", "FINISHED")
    rejected = log.with_suffix(".rejected")
    assert [event.kind for event, _ in read_events(rejected)] == ["tags"]
    assert not pending_logs(spool_dir(project), uri)


def test_successive_metrics_are_one_call_of_mlflow(write, uri, monkeypatch):
    calls = []
    log_batch = MlflowClient.log_batch

    def counted(*arguments, **named):
        calls.append(1)
        return log_batch(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    log = write(lambda run: [run.log_metrics({"val/loss": step / 2}, step=step) for step in range(1500)])
    Uploader(log, uri).upload_pending()
    run = found(uri)["iris_mlp"]
    history = MlflowClient(uri).get_metric_history(run.info.run_id, "val/loss")
    assert [(metric.step, metric.value) for metric in history] == [(step, step / 2) for step in range(1500)]
    assert len(calls) == 2


def test_a_rejected_metric_does_not_take_others_with_it(write, uri):
    log = write(lambda run: [run.log_metrics({name: 1.0}) for name in ("val/loss", "no//name", "val/accuracy")])
    Uploader(log, uri).upload_pending()
    assert set(found(uri)["iris_mlp"].data.metrics) == {"val/loss", "val/accuracy"}
    assert len(list(read_events(log.with_suffix(".rejected")))) == 1


def test_event_that_is_rejected_twice_is_kept_once(write, uri):
    log = write(lambda run: run.set_tags({"": "a tag without a name"}))
    for _ in range(2):
        Uploader(log, uri).upload_pending()
    assert len(list(read_events(log.with_suffix(".rejected")))) == 1


@pytest.mark.parametrize(
    "line", [b"no JSON\n", b'{"kind": "register", "content": {}, "at": 0}\n', b'{"kind": "end"}\n']
)
def test_malformed_line_is_quarantined(project, write, uri, line, capsys):
    log = write(lambda run: run.end("FINISHED"))
    log.write_bytes(line + log.read_bytes())
    upload_pending_logs(spool_dir(project), uri)
    assert found(uri)["iris_mlp"].info.status == "FINISHED"
    assert capsys.readouterr().err.count("warning:") == 1


def test_failed_upload_does_not_block_other_logs(project, write, uri, monkeypatch):
    """Simulate an artifact folder that is not writable."""
    stuck = write(lambda run: run.log_file("samples.gif", b"GIF89a"))
    write(lambda run: run.end("FINISHED"), provenance=replace(PROVENANCE, model="mnist_cnn"))
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", fails_with(PermissionError))
        upload_pending_logs(spool_dir(project), uri)
    assert found(uri)["mnist_cnn"].info.status == "FINISHED"
    assert pending_logs(spool_dir(project), uri) == [stuck]


def test_concurrent_uploads_create_one_run(write, uri):
    logs = [write(lambda run: run.log_metrics({"train/loss": 1.0}, step=1)) for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(lambda log: TailingUploader(log, uri).finish(), logs):
            pass
    assert len(runs(uri)) == 1
    assert history(uri, "train/loss") == [1.0]


def test_tailing_uploader_waits_after_a_failure_but_not_at_the_end(write, uri, monkeypatch, capsys):
    log = write(lambda run: run.set_tags({"device": "cpu"}))
    uploader = TailingUploader(log, uri)
    with monkeypatch.context() as patch:
        patch.setattr(client, "MlflowClient", fails_with(ConnectionResetError))
        uploader.upload_pending()
    assert "(ConnectionResetError)" in capsys.readouterr().err
    uploader.upload_pending()
    assert log.exists()
    uploader.finish()
    assert found(uri)["iris_mlp"].data.tags["device"] == "cpu"
    assert not log.exists()


# An address that is none, a database without its driver, and one of no kind that MLflow knows.
@pytest.mark.parametrize("uri", ["http://[bad", "mysql://host/runs", "nonsense://x"])
def test_unusable_address_gives_one_warning(write, capsys, uri):
    log = write(lambda run: run.set_tags({"device": "cpu"}), uri=uri)
    uploader = TailingUploader(log, uri)
    uploader.upload_pending()
    uploader.finish()
    assert capsys.readouterr().err.count(f"warning: cannot use MLflow at {uri}; continuing without it") == 1
    assert log.exists()


def history(uri, metric):
    client = MlflowClient(uri)
    return [one.value for one in client.get_metric_history(found(uri)["iris_mlp"].info.run_id, metric)]


def fails_with(error):
    def fail(*_arguments, **_keywords):
        raise error

    return fail
