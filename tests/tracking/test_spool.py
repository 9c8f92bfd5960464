"""Letters to MLflow: whole messages, in order, to whom they are addressed, and no harm in the second time."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from mlflow import MlflowClient

from penstock.core.paths import Project
from penstock.io.provenance import Provenance
from penstock.tracking import uploader
from penstock.tracking.model_version import ModelVersionContent, arrays
from penstock.tracking.run import TrackedRun
from penstock.tracking.spool import EventLog, messages, pending_logs, spool_dir
from penstock.tracking.tail import TailingUploader
from penstock.tracking.uploader import Uploader, upload_pending_logs

LINEAGE = Provenance(model="iris_mlp", data="0123456789abcdef0123456789abcdef.dir", parameters="p", code="c")
HERE, THERE = "http://here:5000", "http://there:5000"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def uri(tmp_path):
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def write(project, uri):
    """A letter of a stage that has ended, about a run that says what `say` says."""

    def write(say=lambda run: None, uri=uri, provenance=LINEAGE):
        with closing(EventLog(spool_dir(project), uri)) as letter:
            run = TrackedRun(letter.add)
            run.begin(project, "iris", provenance)
            say(run)
        return letter.path

    return write


def runs(uri):
    client = MlflowClient(uri)
    return client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


def found(uri):
    return {run.info.run_name: run for run in runs(uri)}


def test_half_a_message_is_none(write):
    letter = write(lambda run: run.end("FINISHED"))
    letter.write_bytes(letter.read_bytes()[:-3])
    assert [message.what for message, _ in messages(letter)] == ["begin"]


def test_a_letter_is_read_on_from_where_it_was_left(write):
    letter = write(lambda run: run.set_tags({"device": "cpu"}))
    (_, behind), _ = messages(letter)
    assert [message.what for message, _ in messages(letter, behind)] == ["tags"]


def test_figures_of_numpy_are_said_too(write):
    letter = write(lambda run: run.log_metrics({"train/loss": np.float32(0.5)}))
    *_, (message, _) = messages(letter)
    assert message.content["metrics"] == {"train/loss": 0.5}


@pytest.mark.parametrize(
    "example", [np.array(["a", "é"], dtype=object), np.eye(2, dtype=np.float32), np.zeros(2, dtype=np.uint8)]
)
def test_a_model_arrives_as_it_was_sent(example):
    proto = SimpleNamespace(SerializeToString=lambda: b"proto")
    model = ModelVersionContent(
        name="m", proto=proto, sha256="s", input_name="in", example=example, answers={}, provenance=LINEAGE
    )
    (arrived,) = arrays(json.loads(json.dumps(model.content()))["example"]).values()
    assert arrived.dtype == example.dtype
    assert np.array_equal(arrived, example)


def test_letters_of_living_stages_and_to_other_addresses_are_left_alone(project, write):
    mine, _ = write(uri=HERE), write(uri=THERE)
    living = EventLog(spool_dir(project), HERE)
    assert (pending_logs(spool_dir(project), HERE)) == [mine]
    living.close()
    assert (pending_logs(spool_dir(project), HERE)) == [mine, living.path]


def test_an_address_is_the_same_with_another_password_which_is_not_written_down(project, write):
    letter = write(uri="http://user:secret@host:5000")
    assert b"secret" not in letter.read_bytes()
    assert "secret" not in letter.name
    assert pending_logs(spool_dir(project), "http://user:changed@host:5000/") == [letter]


def test_a_letter_that_is_delivered_twice_changes_nothing(write, uri):
    def say(run):
        run.log_parameters({"network": {"hidden": [10]}})
        run.log_metrics({"train/loss": 1.0}, step=1)
        run.log_repeat("fold 1.1", {"val/accuracy": 0.9})
        run.end("FINISHED")

    letter = write(say)
    for _ in range(2):
        Uploader(letter, uri).upload_pending()
    assert found(uri).keys() == {"iris_mlp", "fold 1.1"}
    assert history(uri, "train/loss") == [1.0]


@pytest.mark.parametrize("part", ["model", "data", "parameters", "code"])
def test_another_model_data_parameters_or_code_begin_another_run(write, uri, part):
    other = replace(LINEAGE, **{part: "mnist_cnn"})
    for provenance in (LINEAGE, other, LINEAGE):
        Uploader(write(provenance=provenance), uri).upload_pending()
    assert sorted(run.data.tags["penstock.key"] for run in runs(uri)) == sorted([LINEAGE.key, other.key])


def test_another_file_is_proven_and_timed_anew_in_the_same_run(write, uri):
    for sha256, accuracy, milliseconds in (("a", 0.5, 2.0), ("a", 0.5, 3.0), ("b", 0.9, 4.0)):
        metrics = {"test/accuracy": accuracy, "latency/batch_1_ms": milliseconds}
        Uploader(write(lambda run: run.log_validation(metrics, {"gate": "passed"}, sha256)), uri).upload_pending()  # noqa: B023
    data = found(uri)["iris_mlp"].data
    assert data.metrics == {"test/accuracy": 0.9, "latency/batch_1_ms": 4.0}
    assert data.tags["onnx.sha256"] == "b"
    assert history(uri, "latency/batch_1_ms") == [2.0, 4.0]


def test_a_fold_is_a_finished_child_of_its_run(write, uri):
    def say(run):
        run.log_repeat("fold 1.1", {"val/accuracy": 0.9})
        run.log_repeat("fold 1.2", {"val/accuracy": 0.8})

    Uploader(write(say), uri).upload_pending()
    parent, child = (found(uri)[name] for name in ("iris_mlp", "fold 1.2"))
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.metrics == {"val/accuracy": 0.8}
    assert child.info.status == "FINISHED"


def test_a_fold_whose_child_run_was_begun_and_never_filled_is_filled_later(write, uri, monkeypatch):
    letter = write(lambda run: run.log_repeat("fold 1.1", {"val/accuracy": 0.9}))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MlflowClient, "log_batch", fails_with(KeyboardInterrupt))
        Uploader(letter, uri).upload_pending()
    assert found(uri)["fold 1.1"].data.metrics == {}
    Uploader(letter, uri).upload_pending()
    assert found(uri)["fold 1.1"].data.metrics == {"val/accuracy": 0.9}


def test_a_picture_is_kept_under_its_name(write, uri):
    Uploader(write(lambda run: run.log_file("samples.gif", b"GIF89a")), uri).upload_pending()
    files = MlflowClient(uri).list_artifacts(found(uri)["iris_mlp"].info.run_id)
    assert [file.path for file in files] == ["samples.gif"]


def test_times_are_those_of_the_stage_not_of_the_delivery(write, uri):
    letter = write(lambda run: run.log_metrics({"train/loss": 1.0}, step=1))
    (begin, _), (metrics, _) = messages(letter)
    Uploader(letter, uri).upload_pending()
    run = found(uri)["iris_mlp"]
    (metric,) = MlflowClient(uri).get_metric_history(run.info.run_id, "train/loss")
    assert (run.info.start_time, metric.timestamp) == (begin.at, metrics.at)


def test_what_mlflow_refuses_is_set_aside_and_the_rest_is_said(project, write, uri, capsys):
    def say(run):
        run.set_tags({"": "a tag without a name"})
        run.set_tags({"device": "cpu"})
        run.end("FINISHED")

    refused = write(say)
    upload_pending_logs(spool_dir(project), uri)
    assert capsys.readouterr().err.count("refuses what a stage has to say") == 1
    run = found(uri)["iris_mlp"]
    assert (run.data.tags["device"], run.info.status) == ("cpu", "FINISHED")
    aside = refused.with_suffix(".refused")
    assert [message.what for message, _ in messages(aside)] == ["tags"]
    assert not pending_logs(spool_dir(project), uri)


@pytest.mark.parametrize("line", [b"no JSON\n", b'{"what": "dance", "content": {}, "at": 0}\n', b'{"what": "end"}\n'])
def test_a_line_that_nobody_understands_is_in_nobodys_way(project, write, uri, line, capsys):
    letter = write(lambda run: run.end("FINISHED"))
    letter.write_bytes(line + letter.read_bytes())
    upload_pending_logs(spool_dir(project), uri)
    assert found(uri)["iris_mlp"].info.status == "FINISHED"
    assert capsys.readouterr().err.count("warning:") == 1


def test_a_letter_that_cannot_be_delivered_keeps_no_other_from_it(project, write, uri, monkeypatch):
    """As where the experiment's folder of files is not for us to write."""
    stuck = write(lambda run: run.log_file("samples.gif", b"GIF89a"))
    write(lambda run: run.end("FINISHED"), provenance=replace(LINEAGE, model="mnist_cnn"))
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", fails_with(PermissionError))
        upload_pending_logs(spool_dir(project), uri)
    assert found(uri)["mnist_cnn"].info.status == "FINISHED"
    assert pending_logs(spool_dir(project), uri) == [stuck]


def test_letters_of_one_run_that_are_delivered_at_once_make_one_run(write, uri):
    letters = [write(lambda run: run.log_metrics({"train/loss": 1.0}, step=1)) for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(lambda letter: TailingUploader(letter, uri).finish(), letters):
            pass
    assert len(runs(uri)) == 1
    assert history(uri, "train/loss") == [1.0]


def test_after_a_failure_a_growing_letter_waits_a_moment_but_not_at_its_end(write, uri, monkeypatch, capsys):
    letter = write(lambda run: run.set_tags({"device": "cpu"}))
    growing = TailingUploader(letter, uri)
    with monkeypatch.context() as patch:
        patch.setattr(uploader, "MlflowClient", fails_with(ConnectionResetError))
        growing.upload_pending()
    assert "(ConnectionResetError)" in capsys.readouterr().err
    growing.upload_pending()
    assert letter.exists()
    growing.finish()
    assert found(uri)["iris_mlp"].data.tags["device"] == "cpu"
    assert not letter.exists()


@pytest.mark.parametrize("uri", ["http://[bad", "postgresql://host/runs", "nonsense://x"])
def test_an_address_that_cannot_be_used_is_one_warning(write, capsys, uri):
    letter = write(lambda run: run.set_tags({"device": "cpu"}), uri=uri)
    growing = TailingUploader(letter, uri)
    growing.upload_pending()
    growing.finish()
    assert capsys.readouterr().err.count(f"warning: MLflow at {uri} cannot be used; going on without it") == 1
    assert letter.exists()


def history(uri, metric):
    client = MlflowClient(uri)
    return [one.value for one in client.get_metric_history(found(uri)["iris_mlp"].info.run_id, metric)]


def fails_with(error):
    def fail(*_arguments, **_keywords):
        raise error

    return fail
