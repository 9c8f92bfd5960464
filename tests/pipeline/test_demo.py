"""A newcomer's first command, on the real settings."""

import shutil

import pytest

from tests.helpers.small_project import SmallProject, files_for_git


@pytest.fixture
def clone(repository, tmp_path):
    """A fresh clone of the repository as it is now, with its dvc.lock and reports."""
    for name in files_for_git(repository):
        if (repository / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, tmp_path / name)
    project = SmallProject(tmp_path)
    project.run("git", "init", "--quiet")
    project.run("git", "add", "--all")
    author = ["-c", "user.name=newcomer", "-c", "user.email=newcomer@example.org"]
    project.run("git", *author, "commit", "--quiet", "--message", "clone")
    return project


@pytest.mark.pipeline
@pytest.mark.slow
def test_make_demo_leaves_a_clone_clean(clone):
    """On x86 with AVX2; docs/dvc.md says what differs elsewhere."""
    clone.run(*clone.make_with_this_environment("make demo"))
    assert clone.run("git", "diff", "HEAD").stdout == ""
    assert clone.run("git", "status", "--porcelain").stdout == ""
