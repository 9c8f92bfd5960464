"""Every command in the README runs, in a fresh clone of a smaller run."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from contextlib import contextmanager

import httpx
import pytest

from penstock.config.loading import load_config
from tests.conftest import REPOSITORY, SMALL_MODELS
from tests.helpers.killed_pipeline import runs_of, steps_of
from tests.helpers.nodes import FIRST, ON_TWO_NODES
from tests.helpers.processes import answers, free_port, wait_until

TEXT = (REPOSITORY / "README.md").read_text()
MOST_LINES = 170
MOST_COLUMNS = 12
SHELL = [
    shlex.join(shlex.split(line, comments=True))
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]
IN_TABLES = re.findall(r"^\| `(\w+ [^`]+)` \|", TEXT, re.MULTILINE)
NEW = [command for command in SHELL if command.startswith("penstock new ")]
EXPERIMENTS = [command for command in SHELL if command.startswith("dvc exp ")]
SERVERS = {"make ui", "make serve"}
LAUNCHED = re.findall(r"`((?:torchrun|srun) [^`]+)`", TEXT)
(COMMIT,) = re.findall(r"`(dvc commit [^`]+)`", TEXT)
# The environment that srun gives to two tasks, one on each of two nodes; Lightning finds the first node by its name.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift 2; done
export SLURM_JOB_ID=20000 SLURM_JOB_NAME=train SLURM_NTASKS=2 SLURM_NTASKS_PER_NODE=1 SLURM_NNODES=2
export SLURM_NODELIST=127.0.0.1 SLURM_LOCALID=0
SLURM_PROCID=0 SLURM_NODEID=0 "$@" & first=$!
SLURM_PROCID=1 SLURM_NODEID=1 "$@" & second=$!
wait $first && wait $second
"""
# Commands that run these tests.
TESTS = {"make check", "make test", "make test-slow"}
MAKE_TUNED = "make tuned"


def commands(first_words):
    return [command for command in [*SHELL, *IN_TABLES] if shlex.split(command)[0] in first_words]


@contextmanager
def running(copy, command, port):
    """A server that the README starts, with its processes, ended as Ctrl-C would."""
    process = subprocess.Popen(
        [*copy.make_with_this_environment(command), f"PORT={port}"],
        cwd=copy.root,
        env=os.environ | copy.environment,
        start_new_session=True,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise


def test_ci_runs_the_test_commands(repository):
    assert "make test" in IN_TABLES
    assert (repository / ".ci/run").read_text().splitlines()[-2:] == ["make test", "make test-slow"]


def test_it_is_short_and_has_the_usual_headings():
    assert len(TEXT.splitlines()) <= MOST_LINES
    headings = ["Quick start", "Usage", "Outputs", "Serving", "Fault tolerance", "Distributed training", "Benchmarks"]
    headings += ["Code tour", "Add a model", "Add a dataset", "Data sources"]
    assert re.findall(r"^## (.*)", TEXT, re.MULTILINE) == headings


def test_every_command_is_of_a_kind_that_is_tested_here():
    assert {shlex.split(command)[0] for command in [*SHELL, *IN_TABLES]} == {"make", "penstock", "dvc", "curl"}


def test_make_repro_shows_each_stage_and_ends_with_the_table(repro_output):
    output = repro_output
    for stage in (
        "download",
        "preprocess",
        "baseline",
        "train",
        "export",
        "validate",
        "register",
        "fid_reference",
        "report",
    ):
        assert re.search(rf"^(\S+ +\| )?{stage} +\w+ .*-> ", output, re.MULTILINE), stage
    table = output[output.rindex("model  ") :]
    assert all(model in table for model in SMALL_MODELS)
    assert "baseline" in table
    assert "results/index.html" in table
    assert "\x1b[" not in output, "no terminal, no colours"
    assert "Warning" not in output


@pytest.mark.parametrize("command", sorted(set(commands({"make"})) - TESTS - {MAKE_TUNED} - SERVERS))
def test_make_commands(small_run, command):
    assert small_run.run(*small_run.make_with_this_environment(command)).returncode == 0


@pytest.mark.slow
def test_make_tuned_trains_the_tuned_models_and_shows_them_beside_the_others(changed_run):
    copy = changed_run
    tuned = load_config(copy.root / "params.yaml").tuned
    output = copy.run(*copy.make_with_this_environment(MAKE_TUNED)).stdout
    table = output[output.rindex("model  ") :]
    assert all(name in table for name in [*SMALL_MODELS, *tuned])
    assert all(f"## {name}\n" in (copy.root / "docs/models.md").read_text() for name in tuned)


@pytest.mark.parametrize("command", [one for one in commands({"penstock", "dvc"}) if one not in {*EXPERIMENTS, *NEW}])
def test_program_commands(small_run, command):
    assert small_run.run(*shlex.split(command)).stdout


@pytest.mark.parametrize("command", NEW)
def test_the_guide_runs_the_command_for_own_data(repository, command):
    """tests/pipeline/test_own_data.py runs the guide."""
    assert f"\n{command}\n" in (repository / "docs/your-own-data.md").read_text()


@pytest.mark.slow
def test_an_experiment_changes_one_setting_and_the_table_is_narrow(changed_run):
    author = ["-c", "user.name=newcomer", "-c", "user.email=newcomer@example.org"]
    changed_run.run("git", "add", "--all")
    changed_run.run("git", *author, "commit", "--quiet", "--message", "baseline")
    run, show = (shlex.split(command) for command in EXPERIMENTS)
    changed_run.run(*run)
    table = changed_run.run(*show, "--md").stdout
    key, value = run[run.index("-S") + 1].split("=")
    header, _, workspace, *_ = ([cell.strip() for cell in line.split("|")] for line in table.splitlines())
    assert workspace[header.index(key)] == value
    assert len(header) < MOST_COLUMNS


@pytest.mark.parametrize("command", LAUNCHED)
def test_a_launcher_trains_what_one_process_trains_and_dvc_is_told(small_run, tmp_path, command):
    copy = small_run.copied_to(tmp_path / "project")
    report = copy.root / "reports/mnist_cnn/training.json"
    alone = json.loads(report.read_text())
    known = {run.info.run_id for run in runs_of(copy.root, "mnist_cnn", alone["epochs"])}
    report.unlink()
    (tmp_path / "srun").write_text(SRUN)
    (tmp_path / "srun").chmod(0o755)
    several = "--standalone" not in command
    copy.edit_params(trainer__accelerator="cpu", trainer__devices=2 - several, trainer__num_nodes=1 + several)
    words = shlex.split(command.replace("first:", f"{FIRST}:"))
    if "--nnodes" in words:
        words = [*ON_TWO_NODES, *words]
        words[words.index("--nproc_per_node") + 1] = "1"
    copy.run(*words, PATH=f"{tmp_path}:{copy.environment['PATH']}")
    together = json.loads(report.read_text())
    for part in ("train", "val"):
        assert together[part] == pytest.approx(alone[part], abs=1e-4)
    (added,) = (run for run in runs_of(copy.root, "mnist_cnn", alone["epochs"]) if run.info.run_id not in known)
    assert added.info.status == "FINISHED"
    assert steps_of(copy.root, added) == list(range(1, alone["epochs"] + 1))
    copy.run(*shlex.split(COMMIT))
    assert "up to date" in copy.run("dvc", "status", "train@mnist_cnn").stdout


def test_the_table_is_the_same_again(small_run, repro_output):
    again = small_run.run("penstock", "results").stdout.splitlines()
    assert set(again) <= set(repro_output.splitlines())


def test_a_prediction_names_the_flower(small_run):
    output = small_run.run("penstock", "predict", "iris_mlp", "5.1", "3.5", "1.4", "0.2").stdout
    assert output.split()[0] in ("setosa", "versicolor", "virginica")


def test_make_serve_answers_every_curl(small_run):
    port = free_port()
    with running(small_run, "make serve", port) as url:
        wait_until(lambda: answers(f"{url}/v2/health/ready"))
        for command in commands({"curl"}):
            here = shlex.split(command.replace("http://127.0.0.1:8080", url))
            answer = json.loads(subprocess.run(here, check=True, capture_output=True, text=True).stdout)
            assert "error" not in answer


def test_make_ui_opens_mlflow(small_run):
    with running(small_run, "make ui", free_port()) as url:
        wait_until(lambda: answers(url), seconds=90)
        found = httpx.post(f"{url}/api/2.0/mlflow/experiments/search", json={"max_results": 10}).json()
        assert {"iris", "mnist", "imdb"} <= {experiment["name"] for experiment in found["experiments"]}


def test_the_model_to_add_is_one_entry(changed_run):
    """The README's own example, word for word."""
    (example,) = re.findall(r"```yaml\nmodels:\n(.*?)```", TEXT, re.DOTALL)
    path = changed_run.root / "params.yaml"
    # Beside the others; what it borrows of them by name is already there.
    text = path.read_text()
    position = text.index("\nnum_seeds:")
    position = text.rindex("\n\n#", 0, position)
    path.write_text(f"{text[:position]}\n{example}{text[position:]}")
    (name,) = re.findall(r"^  (\w+):$", example, re.MULTILINE)
    changed_run.edit_params(**{f"models__{name}__gates__accuracy": 0})
    changed_run.run("penstock", "config", "--write")
    changed_run.run("dvc", "repro", f"register@{name}")
    assert name in changed_run.run("penstock", "results").stdout


def test_make_demo_needs_no_network(small_copy):
    """From nothing: Iris comes from the library that carries it."""
    small_copy.edit_params(download__mirrors=[])
    output = small_copy.run(*without_network(), *small_copy.make_with_this_environment("make demo")).stdout
    assert "scikit-learn" in output
    assert re.search(r"^iris_mlp +\d\.\d{4} ", output, re.MULTILINE)


def without_network():
    """A network namespace with nothing in it; where the system allows none, a proxy that is not there."""
    namespace = ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") and subprocess.run([*namespace, "true"], check=False).returncode == 0:
        return namespace
    return ["env", *(f"{scheme}_proxy=http://127.0.0.1:9" for scheme in ("http", "https", "all"))]


def test_no_placeholder_is_left():
    assert not re.findall(r"\b[A-Z]{2,}_[A-Z]{2,}\b", TEXT.replace("MLFLOW_TRACKING_URI", ""))
