"""The parallel scheduler: real DVC, on pipelines of a few shell commands; on the small one in test_pipeline.py."""

import shutil
import signal
import subprocess
import sys

import psutil
import pytest
from dvc.dependency import param
from ruamel.yaml import YAML

from penstock.core.errors import PenstockError, StageError
from penstock.core.paths import Project
from penstock.io.files import read_json, write_json, write_text
from penstock.orchestration.dvc_patches import patch_dvc
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


def test_independent_stages_run_in_parallel(project):
    """Each waits for the other to have begun."""
    meets = "touch {0}.begun; for i in $(seq 600); do [ -e {1}.begun ] && break; sleep 0.1; done; cp {1}.begun {0}"
    root = project("at_once", a=(meets.format("a", "b"),), b=(meets.format("b", "a"),))
    repro(root, [], jobs=2)
    assert (root / "a").is_file()
    assert (root / "b").is_file()


def test_the_outcome_equals_that_of_dvc_repro(project, monkeypatch):
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


def test_messages_of_dvc_about_a_failure_are_shown(project, capfd):
    root = project("no_output", a=("true",))
    with pytest.raises(StageError, match=r"^a failed$"):
        repro(root, [], jobs=2)
    assert "output 'a' does not exist" in capfd.readouterr().out


def test_an_unknown_target_is_one_line(project):
    with pytest.raises(StageError, match="nosuch"):
        repro(project("nothing", a=("echo > a",)), ["nosuch"], jobs=2)


@pytest.mark.parametrize(
    ("number", "jobs"),
    [(signal.SIGTERM, 2), (signal.SIGUSR1, 2), (signal.SIGINT, 2), (signal.SIGTERM, 1), (signal.SIGINT, 1)],
)
def test_an_interruption_ends_running_stages_and_starts_no_other(project, repository, number, jobs):
    waits = "touch {0}.begun; sleep 60; touch {0}"
    root = project("interrupted", **{name: (waits.format(name),) for name in "abc"})
    shutil.copy(repository / "params.yaml", root)
    command = [sys.executable, "-m", "penstock.cli", "repro", "--jobs", str(jobs)]
    with subprocess.Popen(command, cwd=root) as process:
        wait_until(lambda: len(list(root.glob("*.begun"))) == jobs)
        process.send_signal(number)
        assert process.wait(timeout=30) == 128 + number
    assert len(list(root.glob("[abc]*"))) == jobs


def test_only_stages_that_are_not_up_to_date_run(project, capfd):
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


def test_cached_parameters_equal_those_of_dvc_and_follow_changes(project):
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


def test_a_dvc_with_other_internals_is_named_with_the_remedy(monkeypatch):
    monkeypatch.delattr(param, "read_param_file")
    with pytest.raises(PenstockError, match=r"dvc [\d.]+ has no dvc.dependency.param.read_param_file.*constraints.txt"):
        patch_dvc()


def test_a_killed_process_holds_no_lock_even_if_it_was_not_waited_for(project):
    root = project("held", a=("touch a",))
    with subprocess.Popen([sys.executable, "-c", "pass"]) as killed:
        wait_until(lambda: psutil.Process(killed.pid).status() == psutil.STATUS_ZOMBIE)
        holder = {"pid": killed.pid, "cmd": "dvc repro"}
        write_json(root / ".dvc/tmp/rwlock", {"write": {str(root / "a"): holder}, "read": {}})
        repro(root, [], jobs=1)
    assert (root / "a").is_file()


def test_the_longest_chain_starts_first(project, capfd):
    alone = {name: (f"touch {name}",) for name in ("a", "b", "c")}
    chain = {"x": ("touch x",), "y": ("touch y", "x"), "z": ("touch z", "y")}
    repro(project("chain", **alone, **chain), [], jobs=1)
    said = capfd.readouterr().out
    assert said.index("stage 'x'") < min(said.index(f"stage '{name}'") for name in alone)


def test_the_stage_with_most_epochs_starts_first(project, capfd):
    root = project("epochs", **{name: (f"touch {name}",) for name in ("a", "b", "c")})
    repro(root, [], jobs=1, epochs={"c": 30})
    said = capfd.readouterr().out
    assert said.index("stage 'c'") < min(said.index(f"stage '{name}'") for name in "ab")


def test_the_stage_that_took_longest_starts_first_and_epochs_count_for_new_stages(project, capfd):
    root = project("durations", **{name: (f"touch {name}",) for name in "abc"})
    StageTimings(Project(root).stage_timings).keep("c", 600)
    StageTimings(Project(root).stage_timings).keep("a", 0.1)
    repro(root, [], jobs=1, epochs={"b": 5})
    said = capfd.readouterr().out
    assert said.index("stage 'b'") < said.index("stage 'c'") < said.index("stage 'a'")


@pytest.mark.parametrize("content", ["", "{", '{"a": "x"}'])
def test_invalid_timings_are_ignored(project, content):
    root = project("unknown", a=("echo 1 > a",))
    write_text(Project(root).stage_timings, content)
    repro(root, [], jobs=2)
    assert read_json(Project(root).stage_timings).keys() == {"a"}


def test_timings_are_kept_of_stages_that_succeeded(project):
    root = project("kept", bad=("false",), good=("echo 1 > good",))
    with pytest.raises(StageError):
        repro(root, [], jobs=2)
    assert read_json(Project(root).stage_timings).keys() == {"good"}


def test_parallel_stages_see_different_gpus(project):
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


def test_the_report_comes_last_without_a_prefix(project, capfd):
    repro(project("report", report=("touch report; echo table",), slow=("sleep 1; touch slow; echo 1",)), [], jobs=2)
    lines = capfd.readouterr().out.splitlines()
    assert lines.index("table") > lines.index("slow   | 1")
