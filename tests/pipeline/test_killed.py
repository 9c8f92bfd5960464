"""Killed is not lost: whatever moment a pipeline is killed at, it ends as if it had not been."""

import re

import pytest

from penstock.core.paths import Project
from penstock.orchestration.dvc_patches import repair_locks
from tests.helpers.killed_pipeline import (
    EPOCHS,
    MODELS,
    MOMENTS,
    assert_one_run_for_each,
    finish,
    kill_at_one_of,
    outcome,
    small_project,
    trainings_gone_on_with,
)

# Of the moments, those with a checkpoint of an unfinished training: in a fold, and in an epoch of the GAN.
TRAININGS_KILLED = 2


@pytest.mark.pipeline
@pytest.mark.slow
def test_a_pipeline_that_is_killed_again_and_again_ends_as_if_it_had_not_been(repository, tmp_path):
    never, killed = (small_project(repository, tmp_path / name) for name in ("never", "killed"))
    finish(never)
    to_come, all_said = dict(MOMENTS), []
    while to_come:
        come, said = kill_at_one_of(killed, to_come)
        assert come, f"done without {', '.join(to_come)}"
        del to_come[come]
        all_said.append(said)
    all_said.append(finish(killed))
    assert sum(map(trainings_gone_on_with, all_said)) >= TRAININGS_KILLED
    assert outcome(killed.root) == outcome(never.root)
    assert_one_run_for_each(killed.root, MODELS, EPOCHS)
    assert not list((killed.root / ".penstock" / "checkpoints").rglob("*.ckpt"))


def test_a_lock_with_a_conflict_of_git_is_left_as_it_is(changed_run):
    lock = changed_run.root / "dvc.lock"
    conflict = lock.read_text().rstrip("\n") + "\n<<<<<<< HEAD\n    a: 1\n=======\n    a: 2\n>>>>>>> other\n"
    lock.write_text(conflict)
    line = conflict.splitlines().index("<<<<<<< HEAD") + 1
    for command in (["penstock", "repro"], changed_run.make_with_this_environment("make demo")):
        said = changed_run.run(*command, check=False)
        assert said.returncode == 2
        assert said.stdout.startswith(f"error: dvc.lock:{line}: git has left a conflict\nerror: `git checkout HEAD ")
        assert lock.read_text() == conflict


@pytest.mark.parametrize("share", [0, 0.1, 0.37, 0.5, 0.83, 0.999])
def test_a_lock_that_dvc_has_left_cut_short_is_mended(changed_run, share):
    lock = changed_run.root / "dvc.lock"
    whole = lock.read_text()
    cut = int(share * len(whole))
    lock.write_text(whole[:cut].rstrip("\n"))  # what ends with a line may be whole
    *before_the_cut, _ = re.findall(r"^  (\S+)", lock.read_text(), re.MULTILINE) or [""]
    repair_locks(Project(changed_run.root))
    kept = lock.read_text() if lock.is_file() else ""
    assert whole.startswith(kept)
    assert re.findall(r"^  (\S+)", kept, re.MULTILINE) == before_the_cut
    as_it_was = (changed_run.root / ".penstock/truncated_locks/dvc.lock").read_text()
    assert as_it_was == whole[:cut].rstrip("\n")
    changed_run.run("dvc", "status", "validate@iris_mlp")
