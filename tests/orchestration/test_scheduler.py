"""Stages side by side: real DVC, on pipelines of a few shell commands; on the small one in test_pipeline.py."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest
from ruamel.yaml import YAML

from penstock.core.errors import StageError
from penstock.core.paths import Project
from penstock.io.files import read_json, write_json, write_text
from penstock.orchestration.last_look import LastLook
from penstock.orchestration.scheduler import repro
from penstock.orchestration.stage_timings import Durations
from tests.helpers.processes import answers, free_port, wait_until


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


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    """A project in which everything was up to date when it was last looked at; who changes it puts it back."""
    root = tmp_path_factory.mktemp("looked") / "at"
    _project(root, a=("mkdir a; cp in/source a/one", "in/source"), b=("echo ${word} > b", "a"))
    with (root / "dvc.yaml").open("a") as file:
        file.write("vars: [words.yaml]\n")
    _say_of_a_stage(root, "a", vars=["more.yaml:other"])
    (root / "words.yaml").write_text("word: one\n")
    (root / "more.yaml").write_text("other: two\n")
    (root / "in").mkdir()
    _say_of_a_stage(root, "b", params=["key"])
    (root / "in/source").write_text("1")
    (root / "params.yaml").write_text("key: 1\n")
    repro(root, [], jobs=2)
    assert not _still_holds(root)
    repro(root, [], jobs=2)
    assert _still_holds(root)
    return root


@pytest.mark.parametrize(
    "path",
    [
        "in/source",
        "in/source.dvc",
        "in/.dvcignore",
        "in/dvc.yaml",
        "params.yaml",
        "words.yaml",
        "more.yaml",
        "a/one",
        "a/new",
        "b",
        "dvc.yaml",
        "dvc.lock",
        ".dvc/config.local",
        ".dvcignore",
    ],
)
def test_whatever_was_looked_at_is_looked_at_again_when_it_changes(looked_at, path):
    with _written_to(looked_at / path):
        assert not _still_holds(looked_at)
    assert _still_holds(looked_at)


def test_an_output_that_is_gone_is_looked_at(looked_at):
    away = (looked_at / "b").rename(looked_at / "away")
    assert not _still_holds(looked_at)
    away.rename(looked_at / "b")
    assert _still_holds(looked_at)


def test_one_that_the_cache_has_lost_is_looked_at(looked_at):
    """As in DVC, to which it is then not up to date."""
    cache = looked_at / ".dvc/cache/files"
    away = cache.rename(looked_at / "away")
    assert not _still_holds(looked_at)
    away.rename(cache)
    assert _still_holds(looked_at)


def test_other_targets_and_copies_of_the_project_are_looked_at(looked_at, tmp_path):
    assert not _still_holds(looked_at, "b")
    copy = shutil.copytree(looked_at, tmp_path / "copy")
    assert not _still_holds(copy)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"[]": 7}', '{"[]": {"dvc.yaml": "x"}}', '{"[]": {}}'])
def test_a_look_that_is_none_is_looked_past(tmp_path, content):
    project = Project(tmp_path)
    write_text(project.last_look, content)
    assert not LastLook(project, []).still_holds()
    project.last_look.unlink()
    project.last_look.mkdir()
    assert not LastLook(project, []).still_holds()


def test_nothing_is_kept_of_what_lies_elsewhere(project):
    """Only its server knows whether it has changed."""
    (server := project("server", a=("echo a > a",))).joinpath("there").write_text("1")
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port := free_port())],
        cwd=server,
        stderr=subprocess.DEVNULL,
    ) as serving:
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/there"))
            root = project("elsewhere", a=("echo a > a", f"http://127.0.0.1:{port}/there"))
            for _ in range(2):
                repro(root, [], jobs=2)
        finally:
            serving.terminate()
    assert not _still_holds(root)


def test_while_nothing_has_changed_dvc_is_not_asked(looked_at):
    script = "import sys; from penstock.cli import main; main(['repro']); assert 'dvc' not in sys.modules"
    said = subprocess.run([sys.executable, "-c", script], cwd=looked_at, capture_output=True, text=True, check=True)
    assert said.stdout == "nothing to do: all stages are up to date\n"


def test_what_is_edited_while_it_is_looked_at_is_looked_at_again(tmp_path):
    begun, source = time.time_ns(), tmp_path / "source"
    source.write_text("2")
    last = LastLook(Project(tmp_path), [])
    last.keep(last.see([source]), begun)
    assert not last.still_holds()
    last.keep(last.see([source]), source.stat().st_mtime_ns + 1)
    assert last.still_holds()


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
    _say_of_a_stage(root, "c", meta={"epochs": 30})
    repro(root, [], jobs=1)
    said = capfd.readouterr().out
    assert said.index("stage 'c'") < min(said.index(f"stage '{name}'") for name in "ab")


def test_what_took_longest_the_last_time_begins_first_and_epochs_are_for_what_has_not_run(project, capfd):
    root = project("durations", **{name: (f"touch {name}",) for name in "abc"})
    _say_of_a_stage(root, "b", meta={"epochs": 5})
    Durations(Project(root).durations).keep("c", 600)
    Durations(Project(root).durations).keep("a", 0.1)
    repro(root, [], jobs=1)
    said = capfd.readouterr().out
    assert said.index("stage 'b'") < said.index("stage 'c'") < said.index("stage 'a'")


@pytest.mark.parametrize("content", ["", "{", '{"a": "x"}'])
def test_durations_that_are_none_are_not_known(project, content):
    root = project("unknown", a=("echo 1 > a",))
    write_text(Project(root).durations, content)
    repro(root, [], jobs=2)
    assert read_json(Project(root).durations).keys() == {"a"}


def test_durations_are_kept_of_what_went_well(project):
    root = project("kept", bad=("false",), good=("echo 1 > good",))
    with pytest.raises(StageError):
        repro(root, [], jobs=2)
    assert read_json(Project(root).durations).keys() == {"good"}


def test_stages_side_by_side_see_other_gpus(project):
    see = {name: (f"echo $CUDA_VISIBLE_DEVICES > {name}",) for name in "ab"}
    root = project("gpus", **see)
    repro(root, [], jobs=2, gpus=["0,1", "2,3"])
    assert {(root / name).read_text() for name in "ab"} == {"0,1\n", "2,3\n"}


def _still_holds(root, *targets):
    return LastLook(Project(root), targets).still_holds()


@contextmanager
def _written_to(path):
    """A line more in a file, or a new one; afterwards it is as it was, and its folder as well."""
    was_there = path.exists()
    before = {place: place.stat() for place in (path, path.parent) if place.exists()}
    with path.open("a") as file:
        file.write("\n")
    try:
        yield
    finally:
        if was_there:
            os.truncate(path, before[path].st_size)
        else:
            path.unlink()
        for place, state in before.items():
            os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))


def _say_of_a_stage(root, name, **what):
    pipeline = root / "dvc.yaml"
    content = YAML(typ="safe").load(pipeline.read_text())
    content["stages"][name] |= what
    with pipeline.open("w") as file:
        YAML().dump(content, file)
