"""Tests of the conflicts that git leaves in the files of the pipeline, made by git itself."""

import re
import subprocess

import pytest

from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.orchestration.conflicts import BY_HAND, require_no_conflicts

BASE, MINE, OTHER = "stage: base\n", "stage: mine\n", "stage: other\n"
LOCK, REPORT, HISTORY = "dvc.lock", "reports/iris_mlp/test.json", "reports/iris_mlp/history.csv"


class Clone:
    """A repository with the commit `base`, and a branch of each side that changed the same lines."""

    def __init__(self, root):
        self.root = root
        self.git("init", "--quiet", "--initial-branch", "base")
        self.git("config", "user.name", "tester")
        self.git("config", "user.email", "tester@example.org")
        self.write("params.yaml", "epochs: 1\n")
        self.write("dvc.yaml", "stages:\n")
        self.commit(BASE)
        for branch, text in (("mine", MINE), ("other", OTHER)):
            self.git("checkout", "--quiet", "-b", branch, "base")
            self.commit(text)
        self.git("checkout", "--quiet", "mine")

    def git(self, *arguments, check=True):
        return subprocess.run(
            ["git", *arguments], cwd=self.root, check=check, capture_output=True, text=True, stdin=subprocess.DEVNULL
        ).stdout

    def write(self, name, text):
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def change(self, text):
        for name in (LOCK, REPORT, HISTORY):
            self.write(name, text)

    def commit(self, text):
        self.change(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", text.strip())

    def said(self):
        with pytest.raises(ConfigError) as error:
            require_no_conflicts(Project(self.root))
        return str(error.value)


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


def merge(clone):
    clone.git("merge", "other", check=False)


def squash(clone):
    clone.git("merge", "--squash", "other", check=False)


def rebase(clone):
    clone.git("rebase", "other", check=False)


def rebase_by_patches(clone):
    clone.git("rebase", "--apply", "other", check=False)


def cherry_pick(clone):
    clone.git("cherry-pick", "other", check=False)


def revert(clone):
    for text in (OTHER, "stage: third\n", MINE):
        clone.commit(text)
    clone.git("revert", "--no-edit", "HEAD~1", check=False)


def apply_patch(clone):
    clone.write("the.patch", clone.git("format-patch", "--stdout", "base..other"))
    clone.git("am", "--3way", "the.patch", check=False)


def pop_stash(clone):
    clone.git("checkout", "--quiet", "base")
    clone.change(MINE)
    clone.git("stash", "--quiet")
    clone.git("checkout", "--quiet", "other")
    clone.git("stash", "pop", check=False)


@pytest.mark.parametrize(
    "operation", [merge, squash, rebase, rebase_by_patches, cherry_pick, revert, apply_patch, pop_stash]
)
def test_the_command_that_is_named_takes_the_side_of_the_user(clone, operation):
    operation(clone)
    said = clone.said()
    *places, advice = said.splitlines()
    conflict = "1: git has left a conflict"
    assert places == [f"{LOCK}:{conflict}", f"{HISTORY}:{conflict}, and in 1 more of reports"]
    command = re.findall(r"`git (.*?)`", advice)[0]
    clone.git(*command.split())
    require_no_conflicts(Project(clone.root))
    assert [(clone.root / name).read_text() for name in (LOCK, REPORT, HISTORY)] == [MINE] * 3


def test_in_a_rebase_the_sides_are_the_other_way_round(clone):
    merge(clone)
    assert "`git checkout --ours dvc.lock reports` takes the side of your branch" in clone.said()
    clone.git("merge", "--abort")
    rebase(clone)
    assert "`git checkout --theirs dvc.lock reports` takes the side of your commits" in clone.said()


def test_a_linked_worktree_knows_its_own_operation(clone, tmp_path_factory):
    linked = tmp_path_factory.mktemp("linked") / "tree"
    clone.git("checkout", "--quiet", "base")
    clone.git("worktree", "add", "--quiet", str(linked), "mine")
    subprocess.run(["git", "rebase", "other"], cwd=linked, check=False, capture_output=True)
    with pytest.raises(ConfigError, match=r"--theirs dvc\.lock reports` takes the side of your commits"):
        require_no_conflicts(Project(linked))


def test_markers_that_were_added_to_the_index_go_with_the_last_commits_file(clone):
    merge(clone)
    clone.git("add", "--all")
    assert "`git checkout HEAD dvc.lock reports` takes" in clone.said()
    clone.git("checkout", "HEAD", "dvc.lock", "reports")
    assert (clone.root / LOCK).read_text() == MINE


def test_settings_are_resolved_by_hand(clone):
    clone.write("params.yaml", "epochs: 2\n")
    clone.commit(MINE)
    clone.git("checkout", "--quiet", "-b", "further", "base")
    clone.write("params.yaml", "epochs: 3\n")
    clone.commit(BASE)
    clone.git("merge", "mine", check=False)
    assert clone.said() == f"params.yaml:1: git has left a conflict; {BY_HAND}"


def test_files_without_git_are_checked_too(tmp_path):
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text("a: 1\n")
    require_no_conflicts(Project(tmp_path))
    (tmp_path / "dvc.yaml").write_text("a: 1\n=======\n")
    with pytest.raises(ConfigError, match=r"^dvc\.yaml:2: git has left a conflict"):
        require_no_conflicts(Project(tmp_path))
