"""Every command and program of docs/serving.md runs, and its options, metrics and errors are those of the server."""

import json
import re
import shlex
import subprocess
import sys

import httpx
import pytest
from PIL import Image

from penstock.serving.errors import RequestError
from penstock.serving.grpc.call import CODES
from penstock.serving.metrics import HISTOGRAMS
from penstock.serving.options import DEFAULT
from penstock.serving.rest.openapi import openapi_document
from tests.conftest import REPOSITORY
from tests.serving.server_process import serving

TEXT = (REPOSITORY / "docs/serving.md").read_text()
OTHERS = TEXT[TEXT.index("## Other ONNX files") : TEXT.index("### Validation")]


def blocks(text, kind):
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


# tests/serving/shadow/test_guide.py has the commands and metrics of this section.
SHADOW = TEXT[TEXT.index("## Try a challenger in the shadow") : TEXT.index("## Other ONNX files")]
# tests/serving/test_columns_guide.py has those of this section.
COLUMNS = TEXT[TEXT.index("## Rows of columns") : TEXT.index("## Open Inference Protocol")]
REST = TEXT.replace(OTHERS, "").replace(SHADOW, "").replace(COLUMNS, "")
BLOCKS = {kind: blocks(REST, kind) for kind in ("sh", "python")}
COMMANDS = [line for block in BLOCKS["sh"] for line in block.splitlines()]
PACKAGES = [command for command in COMMANDS if command.startswith("penstock package")]
REGISTERED = [command for command in COMMANDS if command.startswith("penstock serve models:")]
CURLS = [command for command in COMMANDS if command.startswith("curl")]


@pytest.fixture(scope="module")
def here(served, tmp_path_factory):
    """Run a command of the guide against the server of this test, in a folder with the images that it names."""
    folder = tmp_path_factory.mktemp("guide")
    for name in ("digit.png", "photo.jpg"):
        Image.new("L", (60, 80), 200).save(folder / name)
    ports = {"127.0.0.1:8080": served.http, "127.0.0.1:8081": served.grpc}

    def run(*command):
        words = [re.sub("|".join(ports), lambda port: ports[port[0]], word) for word in command]
        return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout

    return run


def test_every_command_of_the_guide_is_tested():
    assert sorted([*PACKAGES, *CURLS, *REGISTERED, "penstock serve"]) == sorted(COMMANDS)


@pytest.mark.parametrize("command", CURLS)
def test_every_curl_of_the_guide_is_answered(here, command):
    answer = here(*shlex.split(command))
    if "/metrics" in command:
        assert answer.startswith("# HELP penstock_")
    else:
        assert "error" not in json.loads(answer)


@pytest.mark.parametrize("program", BLOCKS["python"])
def test_every_program_of_the_guide_runs(here, program):
    assert re.match(r"\[", here(sys.executable, "-c", program))


@pytest.mark.parametrize("command", PACKAGES)
def test_every_package_command_of_the_guide_runs(small_run, tmp_path, command):
    assert small_run.run(*shlex.split(command.replace("build/", f"{tmp_path}/"))).stdout
    assert list(tmp_path.iterdir())


@pytest.mark.parametrize("command", REGISTERED)
def test_every_registry_command_of_the_guide_runs(small_run, tmp_path, command):
    wanted = command.split()[2:]
    with serving(small_run.root, *wanted, XDG_CACHE_HOME=str(tmp_path)) as served:
        names = httpx.get(f"{served.url}/models").json().keys()
    assert sorted(names) == sorted(re.findall(r"models:/(\w+)", command))


def test_another_onnx_file_is_exported_validated_served_and_asked(tmp_path):
    """Every program and command of that section."""
    (program,), (commands,) = (blocks(OTHERS, kind) for kind in ("python", "sh"))
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    validate, serve, curl = map(shlex.split, commands.splitlines())
    assert validate[0] == "penstock"
    subprocess.run([sys.executable, "-m", "penstock.cli", *validate[1:]], cwd=tmp_path, check=True)
    assert serve[:2] == ["penstock", "serve"]
    with serving(tmp_path, *serve[2:]) as served:
        command = [word.replace("127.0.0.1:8080", served.http) for word in curl]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert answer["label"] == 0
    assert sum(answer["probabilities"]) == pytest.approx(1)


def test_the_shown_response_has_the_keys_of_a_real_one(here):
    shown = next(line for line in TEXT.splitlines() if line.startswith('{"label"'))
    assert json.loads(shown).keys() == json.loads(here(*shlex.split(CURLS[0]))).keys()


def test_the_options_of_the_guide_are_those_of_the_command(small_run):
    told = set(
        re.findall(r"`(--[a-z-]+)", TEXT[TEXT.index("## Batching and back-pressure") : TEXT.index("## Metrics")])
    )
    known = set(re.findall(r"--[a-z-]+", small_run.run("penstock", "serve", "--help").stdout))
    assert told <= known
    assert known - {"--help"} <= set(re.findall(r"`(?:penstock serve )?(--[a-z-]+)", TEXT)), "each is explained"
    for option, value in re.findall(r"^\| `--([a-z-]+)` \| ([\d.]+) (?:s|MiB)? ?\|", TEXT, re.MULTILINE):
        default = getattr(DEFAULT, option.replace("-", "_"))
        assert float(value) in (default, default / 2**20), option


def test_the_metrics_of_the_guide_are_those_of_the_server(here):
    told = set(re.findall(r"^\| `(penstock_\w+)`", TEXT.replace(SHADOW, ""), re.MULTILINE))
    answered = here("curl", "-s", "http://127.0.0.1:8080/metrics")
    assert told == set(re.findall(r"^# TYPE (\w+)", answered, re.MULTILINE))
    assert {f"penstock_{name}" for name in HISTOGRAMS} <= told


def test_the_errors_of_the_guide_are_those_of_the_server():
    """Each row has the status, its gRPC code, and the description of openapi.json, perhaps with more words."""
    rows = re.findall(r"^\| (\d+) \| (\w*) ?\| (.*?) \|", TEXT, re.MULTILINE)
    assert [int(status) for status, _, _ in rows] == [error.status for error in RequestError.__subclasses__()]
    responses = openapi_document({}, auth=False)["components"]["responses"]
    for status, code, why in rows:
        assert why.startswith(responses[status]["description"].rstrip(".")), status
        assert not code or CODES[int(status)].name == code, status
    assert {int(status) for status, code, _ in rows if code} == CODES.keys()


def test_every_link_of_the_guide_exists():
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in target]
    assert [target for target in targets if not (REPOSITORY / "docs" / target).exists()] == []
