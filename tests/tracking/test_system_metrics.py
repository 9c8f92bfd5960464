"""Tests of system metrics: off by default, with the names and variables of MLflow, and never in the way of a stage."""

import time

import mlflow.system_metrics.metrics.cpu_monitor
import pytest
from mlflow import MlflowClient
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from penstock.core.paths import Project
from penstock.io.provenance import Provenance
from penstock.tracking.run import track_model
from penstock.tracking.uri import tracking_uri

PROVENANCE = Provenance(model="iris_mlp", data="d.dir", parameters="p", code="c")
ENABLED, INTERVAL = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"


@pytest.fixture
def track(tmp_path, config, monkeypatch):
    """Return a function that tracks a stage of a moment, and returns a client and its run."""
    monkeypatch.setenv(INTERVAL, "1")
    monkeypatch.delenv(ENABLED, raising=False)

    def track(*, option=False, seconds=0.0):
        tracking = config.tracking.model_copy(update={"system_metrics": option})
        settings = config.model_copy(update={"tracking": tracking})
        with track_model(Project(tmp_path), settings, PROVENANCE) as run:
            time.sleep(seconds)
            run.log_metrics({"train/loss": 0.5}, step=1)
        client = MlflowClient(tracking_uri(Project(tmp_path), settings))
        (found,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
        return client, found

    return track


def names(run):
    return {name for name in run.data.metrics if name.startswith("system/")}


def test_they_are_those_of_mlflow_with_a_history(track):
    client, run = track(option=True, seconds=2.5)
    stock = SystemMetricsMonitor(run.info.run_id, tracking_uri=client.tracking_uri)
    stock.collect_metrics()
    assert names(run) == {f"system/{name}" for name in stock.aggregate_metrics()}
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")]
    assert len(steps) >= 2
    assert steps == sorted(set(steps))


@pytest.mark.parametrize(("option", "variable", "logged"), [(False, "true", True), (True, "false", False)])
def test_the_variable_of_mlflow_takes_precedence(track, monkeypatch, option, variable, logged):
    monkeypatch.setenv(ENABLED, variable)
    assert bool(names(track(option=option)[1])) is logged


def test_a_stage_without_the_option_logs_none(track):
    assert not names(track()[1])


def test_a_monitor_that_fails_is_a_warning_and_the_stage_goes_on(track, monkeypatch, capsys):
    def fail(_monitor):
        raise RuntimeError("no such sensor")

    monkeypatch.setattr(mlflow.system_metrics.metrics.cpu_monitor.CPUMonitor, "collect_metrics", fail)
    _, run = track(option=True)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"train/loss": 0.5}
    assert capsys.readouterr().err.count("warning: cannot measure system metrics; continuing without them") == 1
