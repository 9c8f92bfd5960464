"""Data of one's own go from a file to a served answer by the commands of docs/your-own-data.md."""

import ctypes
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
from contextlib import chdir, contextmanager
from pathlib import Path

import httpx
import numpy as np
import onnxruntime
import psutil
import pytest
from PIL import Image

from benchmarks.own_data import EMPTY
from benchmarks.own_sets import write_set
from penstock.cli import main
from penstock.io.files import read_json
from penstock.new.project import init_project
from tests.conftest import REPOSITORY
from tests.helpers.processes import answers, free_port, wait_until
from tests.helpers.small_project import SmallProject

PAGE = REPOSITORY / "docs/your-own-data.md"
SECONDS = 60  # of processor time, from a file to a served answer


def section(title):
    """Return a section of the guide."""
    return PAGE.read_text().split(f"## {title}\n")[1].split("\n## ")[0].split("\n### ")[0]


def commands_of(text):
    """Return the commands of a section."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A table", "wine"),
        ("Numbers: a regression", "diabetes"),
        ("Categories and missing values", "penguins"),
        ("Texts", "docs"),
        ("Images", "photos"),
    ],
)
def test_the_guide_shows_what_the_command_prints(title, name, tmp_path, capsys, monkeypatch):
    (tmp_path / "params.yaml").write_text(EMPTY)
    (tmp_path / "dvc.yaml").touch()
    write_set(name, tmp_path)
    (command,) = [one for one in commands_of(section(title)) if one[:3] == ["penstock", "new", "dataset"]]
    monkeypatch.setattr(sys, "argv", command)
    capsys.readouterr()
    with chdir(tmp_path):
        main()
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    (shown,) = re.findall(r"^```text\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)
    for part in shown.split("...\n"):
        lines = [line.rstrip() for line in part.splitlines()]
        assert any(printed[at : at + len(lines)] == lines for at in range(len(printed))), part


def test_the_commands_of_the_guide_take_wine_from_a_file_to_an_answer(changed_run):
    commands = [one for title in ("Before you begin", "A table", "More models") for one in commands_of(section(title))]
    *_, checked, _, predicted, _ = [changed_run.run(*command).stdout for command in commands]
    assert "the exported file agrees at batch 1, 3, 32" in checked
    assert predicted.count("class_0") >= 59
    report = read_json(changed_run.root / "reports/wine_tabular/validation.json")
    assert report["test"]["accuracy"] >= 0.9
    assert report["parity"]["agreement"] == 1

    path = changed_run.root / "models/wine_tabular/model.onnx"
    inputs = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_inputs()
    assert [(one.name, one.shape) for one in inputs[:2]] == [("alcohol", ["batch"]), ("malic_acid", ["batch"])]
    rows = (changed_run.root / "wine.csv").read_text().splitlines()
    given = [f"{name}={value}" for name, value in zip(rows[0].split(","), rows[1].split(","), strict=True)][:-1]
    assert changed_run.run("penstock", "predict", "wine_tabular", *given).stdout.startswith("class_0\n")
    _a_corrected_file_is_taken(changed_run)


def _a_corrected_file_is_taken(project):
    table = project.root / "wine.csv"
    table.write_text(table.read_text() + table.read_text().splitlines()[-1] + "\n")
    assert "`penstock update wine`" in project.run("penstock", "repro", "preprocess@wine").stdout
    page = PAGE.read_text().split("### Correct the data\n")[1].split("\n##")[0]
    update, preprocess = commands_of(page)
    assert "rows: 178 -> 179" in project.run(*update).stdout
    project.run(*preprocess)
    assert (project.root / "data/raw/wine/wine.csv").read_text() == table.read_text()


def run_section(project, title, name):
    """Run the commands of a kind of data, and return the report of its model and the last answer."""
    write_set(name, project.root)
    *_, answer = [project.run(*command).stdout for command in commands_of(section(title))]
    (report,) = project.root.glob(f"reports/{name}_*/validation.json")
    return read_json(report), answer


def test_a_folder_of_colour_images_becomes_a_file_that_takes_rgb(changed_run):
    report, answer = run_section(changed_run, "Images", "photos")
    assert report["test"]["accuracy"] > report["baseline"]["accuracy"]
    assert answer.startswith("flower\n")
    (taken,) = onnxruntime.InferenceSession(
        changed_run.root / "models/photos_convolutional/model.onnx", providers=["CPUExecutionProvider"]
    ).get_inputs()
    assert (taken.name, taken.type, taken.shape) == ("pixels", "tensor(uint8)", ["batch", 32, 32, 3])
    image = Image.fromarray(np.zeros((32, 32, 3), np.uint8))
    image.save(changed_run.root / "black.png")
    changed_run.run("penstock", "predict", "photos_convolutional", "black.png")


@pytest.mark.slow
def test_a_data_file_that_dvc_keeps_reaches_a_clone(tmp_path, monkeypatch):
    """The commands of "Data in git", with a remote and a clone."""
    project, clone = tmp_path / "project", tmp_path / "clone"
    init_project(project)
    monkeypatch.chdir(project)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for number in range(60):
        folder = tmp_path / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
    main(["new", "dataset", "photos", "--from", str(tmp_path / "photos")])
    text = PAGE.read_text().split("### Data in git\n")[1].split("\n## ")[0]
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["dvc", "remote", "add", "-d", "store", str(tmp_path / "store")], *commands_of(text)):
        subprocess.run(command, check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "all"], check=True)
    subprocess.run([*git, "clone", "-q", project, clone], check=True)
    assert not (clone / "data/own/photos.zip").exists()
    subprocess.run(["dvc", "pull", "data/own/photos.zip"], cwd=clone, check=True)
    subprocess.run(["dvc", "repro", "download@photos"], cwd=clone, check=True)
    assert (clone / "data/raw/photos/photos.zip").is_file()


@pytest.mark.slow
def test_a_regression_is_trained_validated_and_compared(changed_run):
    report, _ = run_section(changed_run, "Numbers: a regression", "diabetes")
    assert report["test"]["r2"] > report["baseline"]["r2"] - 0.01
    compared = changed_run.run("penstock", "compare", "diabetes_tabular", "diabetes_tabular.int8").stdout
    assert "r2: paired bootstrap" in compared


@pytest.mark.slow
def test_a_table_with_categories_and_missing_values_reaches_an_answer(changed_run):
    report, answer = run_section(changed_run, "Categories and missing values", "penguins")
    assert report["test"]["accuracy"] >= report["baseline"]["accuracy"] - 0.015  # one of 69 penguins
    assert answer.startswith("Gentoo\n")


@pytest.mark.slow
def test_texts_of_fifteen_classes_reach_an_answer(changed_run):
    report, answer = run_section(changed_run, "Texts", "docs")
    assert report["test"]["accuracy"] >= report["baseline"]["accuracy"]
    assert answer.startswith("cluster\n")


@pytest.mark.slow
def test_wine_is_served_within_a_minute_of_processor_time(tmp_path):
    """The time that people are promised is one of a free machine, so processor time is counted, of all processes."""
    project = SmallProject(tmp_path)
    names, values = (line.split(",")[:-1] for line in write_set("wine", tmp_path).read_text().splitlines()[:2])
    with processor_seconds() as seconds:
        project.run("penstock", "init")
        project.run("penstock", "new", "dataset", "wine", "--from", "wine.csv")
        project.run("dvc", "repro", "register@wine_tabular")
        row = {name: float(value) for name, value in zip(names, values, strict=True)}
        assert served_answer(project, "wine_tabular", row)["label"] == "class_0"
    print(f"{sum(seconds):.1f} s of processor time")
    assert sum(seconds) < SECONDS


def served_answer(project, model, row):
    """Return the answer of a server that runs only for this one request."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["penstock", "serve", "--port", str(port)]
    server = subprocess.Popen(command, cwd=project.root, env=os.environ | project.environment)
    try:
        wait_until(lambda: answers(f"{url}/v2/health/ready"), 120)
        return httpx.post(f"{url}/predict/{model}", json=row).raise_for_status().json()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)


@contextmanager
def processor_seconds():
    """Give a list that has the processor time of all processes that were started inside, once they have ended.

    Processes that outlive their parents become children of this one (prctl(2), PR_SET_CHILD_SUBREAPER), and count.
    """
    seconds: list[float] = []
    adopt = ctypes.CDLL(None).prctl
    known = set(psutil.Process().children())
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    adopt(36, 1, 0, 0, 0)
    try:
        yield seconds
        for child in set(psutil.Process().children()) - known:
            os.waitpid(child.pid, 0)
    finally:
        adopt(36, 0, 0, 0, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds += [after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime]
