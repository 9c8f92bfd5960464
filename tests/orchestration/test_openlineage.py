"""OpenLineage events of stages, as a server receives them."""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import jsonschema_rs
import pytest

from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.io.files import dvc_directory_hash
from penstock.orchestration.openlineage import stage_events, stage_files
from tests.helpers.lookups import without_variables_of_tests

# What https://openlineage.io/spec/2-0-2/OpenLineage.json demands of a run event.
URI, TEXT = {"type": "string", "format": "uri"}, {"type": "string", "minLength": 1}
FACETS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {"_producer": URI, "_schemaURL": URI},
        "required": ["_producer", "_schemaURL"],
    },
}
NAMED = {
    "type": "object",
    "properties": {"namespace": TEXT, "name": TEXT, "facets": FACETS, "inputFacets": FACETS, "outputFacets": FACETS},
    "required": ["namespace", "name"],
}
RUN_EVENT = {
    "type": "object",
    "properties": {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {"type": "string", "format": "date-time"},
        "producer": URI,
        "schemaURL": URI,
        "run": {
            "type": "object",
            "properties": {"runId": {"type": "string", "format": "uuid"}, "facets": FACETS},
            "required": ["runId"],
        },
        "job": NAMED,
        "inputs": {"type": "array", "items": NAMED},
        "outputs": {"type": "array", "items": NAMED},
    },
    "required": ["eventType", "eventTime", "producer", "schemaURL", "run", "job"],
}
VALIDATOR = jsonschema_rs.Draft202012Validator(RUN_EVENT, validate_formats=True)


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
        VALIDATOR.validate(event)
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
    VALIDATOR.validate(failed)
    assert failed["eventType"] == "FAIL"
    facets = failed["run"]["facets"]
    assert facets["errorMessage"]["message"] in done.stderr
    assert facets["parent"]["job"] == {"namespace": "airflow", "name": "nightly.train", "facets": {}}


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
