"""OpenLineage events of stages, as a server receives them."""

import json
import os
import pkgutil
import re
import subprocess
import sys
import threading
import types
import typing
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from types import SimpleNamespace

import attr
import pytest
from openlineage.client import event_v2, generated

from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.io.files import dvc_directory_hash
from penstock.orchestration.openlineage import stage_events, stage_files
from tests.helpers.lookups import without_variables_of_tests

# The classes of openlineage-python, which the OpenLineage project generates from its JSON schemas, by their address:
# openlineage/client/generated/. The package does not contain the schemas.
MODULES = [import_module(f"{generated.__name__}.{one.name}") for one in pkgutil.iter_modules(generated.__path__)]
FACETS = {
    one._get_schema(): one
    for module in MODULES
    for one in vars(module).values()
    if hasattr(one, "_get_schema") and one.__module__ == module.__name__
}


def check(event):
    """Check an event by the official classes: known keys, required keys, types, and formats of IDs, times and URIs."""
    assert event["schemaURL"] == event_v2.RunEvent._get_schema()
    _check(event_v2.RunEvent, event)


def _check(model, content):
    fields = {one.name: one for one in attr.fields(attr.resolve_types(model))}
    assert set(content) <= {*fields, "schemaURL"}
    made = {
        fields[name].alias: _value(fields[name].type, value) for name, value in content.items() if fields[name].init
    }
    model(**made)  # required keys, and formats


def _value(kind, value):
    """Check a value by its type; return what the class takes."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(one for one in typing.get_args(kind) if one is not type(None))
    if typing.get_origin(kind) is list:
        return [_value(typing.get_args(kind)[0], one) for one in value]
    if typing.get_origin(kind) is dict:
        for facet in value.values():
            _check(FACETS[facet["_schemaURL"]], facet)
        return {}
    if attr.has(kind):
        _check(kind, value)
        return value
    if kind is event_v2.RunState:
        return event_v2.RunState[value]
    assert isinstance(value, str if kind is typing.Any else kind)
    return value


@pytest.fixture
def receiver():
    """An HTTP server that keeps the events that it gets."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers.get("Authorization"), json.loads(body)))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_):
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", received=received)
    server.shutdown()
    thread.join()
    server.server_close()


def run_script(project, script, **variables):
    """Run a script of pipelines/; return its exit code and output."""
    return subprocess.run(
        [sys.executable, *script],
        cwd=project,
        env=without_variables_of_tests() | {"PATH": os.environ["PATH"]} | variables,
        text=True,
        capture_output=True,
        check=False,
    )


def test_two_stages_send_their_start_and_end_with_the_files_between_them(linked_project, repository, receiver):
    _use_data_of(repository, linked_project)
    variables = {"OPENLINEAGE_URL": receiver.url, "OPENLINEAGE_API_KEY": "secret", "OPENLINEAGE_NAMESPACE": "flowers"}
    for stage in ("download", "preprocess"):
        done = run_script(linked_project, [f"pipelines/{stage}.py", "iris"], **variables)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    events = [event for _, _, event in receiver.received]
    for event in events:
        check(event)
    assert {(path, key) for path, key, _ in receiver.received} == {("/api/v1/lineage", "Bearer secret")}
    states = [(event["job"]["name"], event["eventType"]) for event in events]
    assert states == [(f"{one}@iris", state) for one in ("download", "preprocess") for state in ("START", "COMPLETE")]
    assert len({event["run"]["runId"] for event in events}) == 2
    assert {event["job"]["namespace"] for event in events} == {"flowers"}

    (raw,), (used,) = events[1]["outputs"], events[3]["inputs"]
    assert raw["name"] == used["name"] == "data/raw/iris"
    assert raw["facets"]["version"]["datasetVersion"] == used["facets"]["version"]["datasetVersion"]
    processed = next(one for one in events[3]["outputs"] if one["name"] == "data/processed/iris")
    hashed = dvc_directory_hash(linked_project / "data/processed/iris")
    assert processed["facets"]["version"]["datasetVersion"] == hashed
    assert [one["name"] for one in processed["facets"]["schema"]["fields"]] == ["inputs", "labels"]


def _use_data_of(repository, project):
    """Let the downloads find the mirror of the repository, which is relative to it."""
    text = (project / "params.yaml").read_text()
    for mirror in load_config(repository / "params.yaml").download.mirrors:
        text = text.replace(f"- {mirror}\n", f"- {(repository / mirror).resolve()}\n")
    (project / "params.yaml").write_text(text)


def test_a_stage_that_fails_says_why(linked_project, receiver):
    parent = "airflow/nightly.train/0190d5e5-2b5f-7cc8-9b1c-0d6a7c2f1a11"
    variables = {"OPENLINEAGE_URL": receiver.url, "OPENLINEAGE_PARENT_ID": parent}
    done = run_script(linked_project, ["pipelines/preprocess.py", "iris"], **variables)
    assert done.returncode == 1
    _, failed = (event for _, _, event in receiver.received)
    check(failed)
    assert failed["eventType"] == "FAIL"
    facets = failed["run"]["facets"]
    assert facets["errorMessage"]["message"] in done.stderr
    for parent in (facets["parent"], facets["parent"]["root"]):
        assert parent["job"] == {"namespace": "airflow", "name": "nightly.train", "facets": {}}


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "no address"])
def test_an_unreachable_server_is_one_warning(linked_project, repository, url):
    _use_data_of(repository, linked_project)
    done = run_script(linked_project, ["pipelines/download.py", "iris"], OPENLINEAGE_URL=url)
    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert warning.startswith(f"warning: OpenLineage: {url} did not receive the events of download@iris (")


def test_a_server_that_never_answers_delays_a_stage_for_seconds_only(repository, config, monkeypatch, capsys):
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # it accepts, and nobody handles requests
        monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{silent.server_port}")
        monkeypatch.setattr("penstock.orchestration.openlineage.SECONDS", 0.2)
        with stage_events(Project(repository), config, "train", "models", "iris_mlp"):
            pass
    assert "did not receive the events of train@iris_mlp" in capsys.readouterr().err


def test_without_the_variable_the_library_is_not_imported(linked_project):
    program = (
        "import sys; sys.path.insert(0, 'src'); import penstock.orchestration.stage_runner\n"
        "from penstock.orchestration.openlineage import stage_events\n"
        "with stage_events(None, None, 'train', 'models', 'iris_mlp'): pass\n"
        "print('openlineage' in sys.modules)"
    )
    assert run_script(linked_project, ["-c", program]).stdout == "False\n"


@pytest.mark.parametrize("name", ["iris_mlp", "mnist_cnn_tuned"])
def test_the_files_of_a_stage_are_those_of_its_pipeline(repository, config, name):
    files = stage_files(Project(repository), config, "train", "models", name)
    home, dataset = ("tuned/", "mnist") if name in config.tuned else ("", "iris")
    assert files.job == f"{home}train@{name}"
    assert files.inputs == (f"data/processed/{dataset}",)
    assert f"{home}models/{name}/weights.safetensors" in files.outputs
    assert f"{home}reports/{name}/val.json" in files.outputs


@pytest.mark.parametrize("stage", ["download", "preprocess", "baseline", "export", "validate", "register"])
def test_no_placeholder_is_left(repository, config, stage):
    blocks = {"download": "datasets", "preprocess": "datasets", "baseline": "baselines"}
    block = blocks.get(stage, "models")
    for name in getattr(config, block):
        files = stage_files(Project(repository), config, stage, block, name)
        assert files.outputs
        assert not any("$" in path for path in (*files.inputs, *files.outputs))


def test_the_command_of_the_guide_sends_the_stages_that_run(iris_run, repository, receiver, tmp_path):
    page = (repository / "docs/dvc.md").read_text().split("\n## OpenLineage\n")[1]
    (command,) = re.findall(r"```sh\n(.*?)\n```", page)
    project = iris_run.copied_to(tmp_path / "project")
    project.edit_params(models__iris_mlp__gates__parity=0.001)
    project.run("bash", "-c", command.replace("http://localhost:5000", receiver.url))
    states = [(event["job"]["name"], event["eventType"]) for _, _, event in receiver.received]
    assert states == [(stage, state) for stage in ("register@iris_mlp", "report") for state in ("START", "COMPLETE")]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_penstock_repro_is_the_parent_of_its_stages(iris_run, receiver, tmp_path, jobs):
    project = iris_run.copied_to(tmp_path / "project")
    project.edit_params(models__iris_mlp__gates__parity=0.001)
    root = "air/flow/nightly/0190d5e5-2b5f-7cc8-9b1c-0d6a7c2f1a11"
    variables = {"OPENLINEAGE_URL": receiver.url, "OPENLINEAGE_PARENT_ID": root}
    done = run_script(project.root, ["-m", "penstock.cli", "repro", "--jobs", jobs], **variables)
    assert done.returncode == 0, done.stderr
    events = [event for _, _, event in receiver.received]
    for event in events:
        check(event)
    jobs_of_events = [event["job"]["name"] for event in events]
    assert jobs_of_events[0] == jobs_of_events[-1] == "repro"
    assert jobs_of_events[1:-1].count("report") == 2  # DVC may restore the other one
    (first, *stages, _) = (event["run"] for event in events)
    parents = [run["facets"]["parent"] for run in (first, *stages)]
    assert {one["run"]["runId"] for one in parents[1:]} == {first["runId"]}
    assert {(one["root"]["job"]["namespace"], one["root"]["job"]["name"]) for one in parents} == {
        ("air/flow", "nightly")
    }
