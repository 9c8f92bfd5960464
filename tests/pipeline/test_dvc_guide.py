"""Every command of docs/dvc.md runs, in order, in a project of iris_mlp alone."""

import json
import re

import pytest

from tests.conftest import REPOSITORY
from tests.helpers.processes import wait_until

TEXT = (REPOSITORY / "docs/dvc.md").read_text()
FAILS = "# conflicts"


def commands(heading):
    """Return the blocks of commands below a heading."""
    (section,) = [part for part in TEXT.split("\n## ") if part.startswith(f"{heading}\n")]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def run_block(project, block):
    """Run commands in one shell; each must succeed, but for those that say that they end with conflicts."""
    lines = [f"if {line}\nthen exit 9; fi" if line.endswith(FAILS) else line for line in block.splitlines()]
    script = "\n".join(["set -eu", *lines])
    # Not a pipe: a worker of DVC's queue would keep it open.
    log = project.root.parent / "block.log"
    done = project.run("bash", "-c", f"exec > {log} 2>&1\n{script}", check=False)
    assert done.returncode == 0, log.read_text()
    return log.read_text()


def setting(project, *keys):
    value = project.read_params()["models"]["iris_mlp"]
    for key in keys:
        value = value[key]
    return value


def assert_all_agree(project):
    """The stages are up to date, the page of models has the score of the report, and git has no change."""
    assert "up to date" in project.run("dvc", "status").stdout
    score = json.loads((project.root / "reports/iris_mlp/test.json").read_text())["accuracy"]
    assert f"| test accuracy | {score:.4f} |" in (project.root / "docs/models.md").read_text()
    assert not project.run("git", "status", "--porcelain").stdout


@pytest.mark.slow
def test_the_commands_run_one_after_another(iris_run, tmp_path):
    project = iris_run.copied_to(tmp_path / "project")
    run, queue, apply = commands("Experiments")
    assert "longer" in run_block(project, run)
    assert setting(project, "training", "epochs") == 2

    run_block(project, queue)
    wait_until(lambda: project.run("dvc", "queue", "status").stdout.count("Success") == 2, seconds=600)
    run_block(project, apply)
    assert setting(project, "training", "epochs") == 60
    assert_all_agree(project)

    store, clone = commands("Remote storage")
    run_block(project, store)
    assert "up to date" in run_block(project, clone)

    (merge,) = commands("Merge")
    run_block(project, merge)
    assert setting(project, "training", "epochs") == 60
    assert setting(project, "training", "optimizer", "learning_rate") == 0.005
    assert_all_agree(project)

    (rebase,) = commands("Rebase")
    run_block(project, rebase)
    assert setting(project, "training", "optimizer", "learning_rate") == 0.005
    assert setting(project, "network", "hidden_sizes") == [12]
    assert_all_agree(project)
    assert project.run("git", "log", "--merges", "main..wider").stdout == ""


def test_what_there_is_comes_although_a_model_is_missing(iris_run, tmp_path):
    """As in a clone that has not pulled the tuned models."""
    project = iris_run.copied_to(tmp_path / "project")
    lock = project.root / "dvc.lock"
    (missing,) = set(re.findall(r"path: models/iris_mlp/model.onnx\n +hash: md5\n +md5: (\w+)", lock.read_text()))
    (project.root / f".dvc/cache/files/md5/{missing[:2]}/{missing[2:]}").unlink()
    (project.root / "models/iris_mlp/model.onnx").unlink()
    weights = project.root / "models/iris_mlp/weights.safetensors"
    project.run("dvc", "remote", "add", "--default", "storage", "../storage")
    for command in re.findall(r"^\| `(dvc (?:pull|checkout))` \| `(.*?)` \|", TEXT, re.MULTILINE):
        for line, succeeds in zip(command, (False, True), strict=True):
            weights.unlink()
            done = project.run(*line.split(), check=False)
            assert (done.returncode == 0) == succeeds, done.stdout
            assert weights.is_file()


def test_the_table_of_operations_is_that_of_the_messages():
    from penstock.orchestration.conflicts import OF_STASH, SIDES

    table = dict(re.findall(r"^\| (`git .*?) \| `--(ours|theirs)` \|", TEXT, re.MULTILINE))
    mine = {name: sides.mine for name, sides in (SIDES | {"stash": OF_STASH}).items()}
    shown = {f"git {name}": f"--{side}" for names, side in table.items() for name in re.findall(r"git ([\w-]+)", names)}
    assert {mine["rebase-merge"], mine["rebase-apply"]} == {shown["git rebase"]}
    assert mine["MERGE_HEAD"] == shown["git merge"]
    assert mine["CHERRY_PICK_HEAD"] == shown["git cherry-pick"] == mine["rebase-apply/applying"] == shown["git am"]
    assert mine["REVERT_HEAD"] == shown["git revert"]
    assert mine["stash"] == shown["git stash"]
