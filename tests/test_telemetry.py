"""Test that nothing calls home unless the user says so, by the names of hosts that are looked up."""

import os
import subprocess
import sys
from contextlib import contextmanager

import httpx
import psutil
import pytest

from penstock.core.telemetry import VARIABLES, disable_telemetry
from tests.helpers.lookups import Lookups
from tests.helpers.processes import answers, free_port, wait_until
from tests.serving import tiny_models

MICROSOFT, MLFLOW = "mobile.events.data.microsoft.com", "config.mlflow-telemetry.io"
# Any module of Penstock first, as in a notebook; it ends with its standard input.
SCRIPT = """
import sys, penstock.io.files, mlflow, onnxruntime
mlflow.set_tracking_uri("sqlite:///script.db")
mlflow.set_experiment("iris")
sys.stdin.read()
"""


@pytest.fixture
def lookups(tmp_path):
    """Make a record of look-ups by name."""

    def lookups(name):
        (tmp_path / name).mkdir()
        return Lookups(tmp_path / name)

    return lookups


@contextmanager
def running(record, *command, **environment):
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=record.folder,
        env=record.environment_of_a_newcomer() | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield record
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_script_calls_home_only_if_its_user_says_so_and_servers_do_not(lookups, repository):
    wanted = {"ORT_DISABLE_TELEMETRY": "0", "MLFLOW_DISABLE_TELEMETRY": "false"}
    script, server, page, telling = map(lookups, ("script", "server", "page", "telling"))
    tiny_models.save(server.folder, "fractions", tiny_models.fractions())
    (page.folder / "params.yaml").symlink_to(repository / "params.yaml")
    (page.folder / "dvc.yaml").symlink_to(repository / "dvc.yaml")
    port, page_port = free_port(), free_port()
    serve = ["serve", str(server.folder), "--port", str(port), "--workers", "2"]
    with (
        running(script, "-c", SCRIPT),
        running(server, "-m", "penstock.cli", *serve),
        running(page, "-m", "penstock.cli", "ui", "--port", str(page_port)),
    ):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/v2/health/ready"))
        wait_until(lambda: answers(f"http://127.0.0.1:{page_port}/health"))
        # MLflow's page asks its server, which would ask for the settings of this telemetry.
        httpx.get(f"http://127.0.0.1:{page_port}/ajax-api/3.0/mlflow/ui-telemetry").raise_for_status()
        with running(telling, "-c", SCRIPT, **wanted):  # started last, so that it looks names up last
            wait_until(lambda: {MICROSOFT, MLFLOW} <= telling.names())
    assert sorted(telling.identifiers()) == ["deviceid", "telemetry.json"]
    for record in (script, server, page):
        assert record.names() == set()
        assert record.identifiers() == []


@pytest.mark.parametrize(
    ("settings", "names"), [(None, set()), ("[core]\n    no_scm = true\n", {"analytics.dvc.org", "updater.dvc.org"})]
)
def test_plain_dvc_calls_home_only_without_the_settings_of_the_project(lookups, repository, settings, names):
    record = lookups("project")
    (record.folder / ".dvc").mkdir()
    (record.folder / ".dvc/config").write_text(settings or (repository / ".dvc/config").read_text())
    (record.folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    command = [sys.executable, "-m", "dvc", "version"]  # the command that also looks for a newer version
    # Python 3.11 otherwise puts the folder of the script first, where DVC's types.py hides that of Python.
    environment = record.environment_of_a_newcomer() | {"PYTHONSAFEPATH": "1"}
    subprocess.run(command, cwd=record.folder, env=environment, check=True, capture_output=True)
    wait_until(lambda: not is_running(record))
    assert record.names() == names


def is_running(record):
    """Return whether a process of a record is running; those of DVC are detached."""
    name = record.environment["LOOKUPS"]
    return any((process.info["environ"] or {}).get("LOOKUPS") == name for process in psutil.process_iter(["environ"]))


def test_value_of_the_user_has_precedence(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "0")
    disable_telemetry()
    assert {os.environ[name] for name in VARIABLES} == {"0"}


def test_import_of_onnxruntime_before_penstock_gives_a_warning(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", pytest)
    disable_telemetry()
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    with pytest.warns(RuntimeWarning, match="import penstock first, or set ORT_DISABLE_TELEMETRY=1"):
        disable_telemetry()
