"""Stages side by side: real DVC, on pipelines of a few shell commands; on the small one in test_pipeline.py."""

import shutil
import signal
import subprocess
import sys

import psutil
import pytest
from ruamel.yaml import YAML

from penstock.core.errors import StageError
from penstock.core.paths import Project
from penstock.io.files import read_json, write_json, write_text
from penstock.orchestration.scheduler import repro
from penstock.orchestration.stage_timings import StageTimings
from tests.helpers.processes import wait_until


@pytest.fixture
def project(tmp_path):
    """Makes a DVC project of stages, each a shell command that writes a file of the stage's name."""

    return lambda folder, **stages: _project(tmp_path / folder, **stages)


def _project(root, **stages):
    root.mkdir()
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=root, check=True)
    entries = {name: {"cmd": cmd, "deps": deps, "outs": [name]} for name, (cmd, *deps) in stages.items()}
    with (root / "dvc.yaml").open("w") as file:
        YAML().dump({"stages": entries}, file)
    return root


def test_what_does_not_need_each_other_runs_at_once(project):
    """Each waits for the other to have begun."""
    meets = "touch {0}.begun; for i in $(seq 600); do [ -e {1}.begun ] && break; sleep 0.1; done; cp {1}.begun {0}"
    root = project("at_once", a=(meets.format("a", "b"),), b=(meets.format("b", "a"),))
    repro(root, [], jobs=2)
    assert (root / "a").is_file()
    assert (root / "b").is_file()


def test_the_outcome_is_that_of_dvc_to_the_byte(project, monkeypatch):
    """The first stage of the plan is done last, where it can be: alone it waits for nobody."""
    after_quick = "for i in $(seq $SECONDS_TO_WAIT); do grep -q quick: dvc.lock && break; sleep 1; done"
    stages = {
        "slow": (f"{after_quick}; echo slow > slow",),
        "quick": ("echo quick > quick",),
        "both": ("cat slow quick > both", "slow", "quick"),
    }
    by_dvc, by_us = project("by_dvc", **stages), project("by_us", **stages)
    monkeypatch.setenv("SECONDS_TO_WAIT", "0")
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=by_dvc, check=True)
    monkeypatch.setenv("SECONDS_TO_WAIT", "60")
    repro(by_us, [], jobs=2)
    for name in ("dvc.lock", *stages):
        assert (by_us / name).read_bytes() == (by_dvc / name).read_bytes(), name


def test_a_stage_that_fails_stops_only_what_depends_on_it(project, capfd):
    root = project("fails", bad=("echo why; false",), after=("cp bad after", "bad"), good=("echo 1 > good",))
    with pytest.raises(StageError, match=r"^bad failed; not run without it: after$"):
        repro(root, [], jobs=2)
    assert (root / "good").is_file()
    assert "bad   | why" in capfd.readouterr().out


def test_what_dvc_says_of_a_failure_is_shown(project, capfd):
    root = project("no_output", a=("true",))
    with pytest.raises(StageError, match=r"^a failed$"):
        repro(root, [], jobs=2)
    assert "output 'a' does not exist" in capfd.readouterr().out


def test_a_target_that_is_not_there_is_one_line(project):
    with pytest.raises(StageError, match="nosuch"):
        repro(project("nothing", a=("echo > a",)), ["nosuch"], jobs=2)


@pytest.mark.parametrize(
    ("number", "jobs"),
    [(signal.SIGTERM, 2), (signal.SIGUSR1, 2), (signal.SIGINT, 2), (signal.SIGTERM, 1), (signal.SIGINT, 1)],
)
def test_an_interruption_ends_what_runs_and_begins_nothing(project, repository, number, jobs):
    waits = "touch {0}.begun; sleep 60; touch {0}"
    root = project("interrupted", **{name: (waits.format(name),) for name in "abc"})
    shutil.copy(repository / "params.yaml", root)
    command = [sys.executable, "-m", "penstock.cli", "repro", "--jobs", str(jobs)]
    with subprocess.Popen(command, cwd=root) as process:
        wait_until(lambda: len(list(root.glob("*.begun"))) == jobs)
        process.send_signal(number)
        assert process.wait(timeout=30) == 128 + number
    assert len(list(root.glob("[abc]*"))) == jobs


def test_only_what_is_not_up_to_date_runs(project, capfd):
    stages = {"a": ("cat source > a; echo ran", "source"), "b": ("echo b > b; echo ran",), "c": ("cp a c", "a")}
    root = project("again", **stages)
    (root / "source").write_text("1")
    repro(root, [], jobs=2)
    capfd.readouterr()
    repro(root, [], jobs=2)
    assert "| ran" not in capfd.readouterr().out
    (root / "source").write_text("2")
    repro(root, ["c"], jobs=2)
    assert [line for line in capfd.readouterr().out.splitlines() if "| ran" in line] == ["a | ran"]
    assert (root / "c").read_text() == "2"


def test_parameters_are_those_of_dvc_and_a_change_is_seen_by_who_has_read_them_before(project):
    """The second content of the file is as long as the first."""
    keys = ["plain", "nested.limit", "nested.deep.number", "shared", "pattern.*"]
    by_dvc, by_us = (project(name, a=("cat params.yaml > a",), b=("cat a > b", "a")) for name in ("their", "our"))
    for value in ("11", "22"):
        for root in (by_dvc, by_us):
            parameters = f"plain: {value}\nnested: &nested {{limit: null, deep: {{number: {value}.5}}}}\n"
            (root / "params.yaml").write_text(
                f"{parameters}shared: {{<<: *nested, also: [1, a]}}\npattern: {{one: 1}}\n"
            )
            _say_of_a_stage(root, "a", params=keys)
        subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=by_dvc, check=True)
        repro(by_us, [], jobs=2)
        for name in ("dvc.lock", "a", "b"):
            assert (by_us / name).read_bytes() == (by_dvc / name).read_bytes(), name


def test_who_was_killed_holds_nothing_even_where_nobody_has_asked_what_became_of_it(project):
    root = project("held", a=("touch a",))
    with subprocess.Popen([sys.executable, "-c", "pass"]) as killed:
        wait_until(lambda: psutil.Process(killed.pid).status() == psutil.STATUS_ZOMBIE)
        holder = {"pid": killed.pid, "cmd": "dvc repro"}
        write_json(root / ".dvc/tmp/rwlock", {"write": {str(root / "a"): holder}, "read": {}})
        repro(root, [], jobs=1)
    assert (root / "a").is_file()


def test_the_longest_chain_begins_first(project, capfd):
    alone = {name: (f"touch {name}",) for name in ("a", "b", "c")}
    chain = {"x": ("touch x",), "y": ("touch y", "x"), "z": ("touch z", "y")}
    repro(project("chain", **alone, **chain), [], jobs=1)
    said = capfd.readouterr().out
    assert said.index("stage 'x'") < min(said.index(f"stage '{name}'") for name in alone)


def test_what_has_most_epochs_begins_first(project, capfd):
    root = project("epochs", **{name: (f"touch {name}",) for name in ("a", "b", "c")})
    repro(root, [], jobs=1, epochs={"c": 30})
    said = capfd.readouterr().out
    assert said.index("stage 'c'") < min(said.index(f"stage '{name}'") for name in "ab")


def test_what_took_longest_the_last_time_begins_first_and_epochs_are_for_what_has_not_run(project, capfd):
    root = project("durations", **{name: (f"touch {name}",) for name in "abc"})
    StageTimings(Project(root).stage_timings).keep("c", 600)
    StageTimings(Project(root).stage_timings).keep("a", 0.1)
    repro(root, [], jobs=1, epochs={"b": 5})
    said = capfd.readouterr().out
    assert said.index("stage 'b'") < said.index("stage 'c'") < said.index("stage 'a'")


@pytest.mark.parametrize("content", ["", "{", '{"a": "x"}'])
def test_durations_that_are_none_are_not_known(project, content):
    root = project("unknown", a=("echo 1 > a",))
    write_text(Project(root).stage_timings, content)
    repro(root, [], jobs=2)
    assert read_json(Project(root).stage_timings).keys() == {"a"}


def test_durations_are_kept_of_what_went_well(project):
    root = project("kept", bad=("false",), good=("echo 1 > good",))
    with pytest.raises(StageError):
        repro(root, [], jobs=2)
    assert read_json(Project(root).stage_timings).keys() == {"good"}


def test_stages_side_by_side_see_other_gpus(project):
    see = {name: (f"echo $CUDA_VISIBLE_DEVICES > {name}",) for name in "ab"}
    root = project("gpus", **see)
    repro(root, [], jobs=2, gpus=["0,1", "2,3"])
    assert {(root / name).read_text() for name in "ab"} == {"0,1\n", "2,3\n"}


def _say_of_a_stage(root, name, **what):
    pipeline = root / "dvc.yaml"
    content = YAML(typ="safe").load(pipeline.read_text())
    content["stages"][name] |= what
    with pipeline.open("w") as file:
        YAML().dump(content, file)
