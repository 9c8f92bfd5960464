"""A git and DVC repository with two commits of a hand-made model, and a DVC experiment."""

import shutil
import subprocess

import pytest
from dvc.repo import Repo

from penstock.config.loading import load_config
from penstock.lookup.locate import open_locator
from tests.helpers.compared_models import GOOD, POOR, ComparedProject
from tests.helpers.lookups import without_variables_of_tests

EXPORT = """\
stages:
  export:
    foreach: [iris_mlp, mnist_cnn]
    do:
      cmd: "true"
      outs: ["models/${item}/model.onnx"]
"""


def git(root, *words):
    """Run git; return what it prints."""
    done = subprocess.run(
        ["git", *words], cwd=root, env=without_variables_of_tests(), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def create_repository(root, project):
    """Create a git repository with a DVC project in it, or in a folder of it."""
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "config", "user.name", "tester")
    git(root, "config", "user.email", "tester@example.org")
    Repo.init(str(project), subdir=project != root).close()


def commit(root, message):
    """Commit all, with the present outputs in DVC's cache."""
    with Repo(str(root)) as repo:
        repo.commit(force=True)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)


@pytest.fixture(scope="session")
def repository_of_models(repository, made_once):
    """Commits `first` (a good iris_mlp), `second` (a poor one); the workspace is at `second`."""

    def make(folder):
        here = ComparedProject.create(repository, folder)
        (folder / "dvc.yaml").write_text(EXPORT)
        (folder / ".gitignore").write_text("/data\n/mlflow.db*\n")
        create_repository(folder, folder)
        here.write(GOOD, "models/mnist_cnn/model.onnx")
        here.write(GOOD)
        commit(folder, "first")
        git(folder, "tag", "first")
        (folder / "models/iris_mlp/model.onnx").unlink()  # it may be a link to the cache
        here.write(POOR)
        commit(folder, "second")
        git(folder, "update-ref", "refs/exps/ab/cdef/bold", "first")

    return made_once("models", make)


@pytest.fixture
def here(repository_of_models, tmp_path, monkeypatch):
    """A copy of the repository for one test, which is the working directory."""
    root = tmp_path / "project"
    shutil.copytree(repository_of_models, root, symlinks=True)
    monkeypatch.chdir(root)
    return ComparedProject(root)


@pytest.fixture
def locate(here):
    """A function from texts to the sha256 of their files, which may be gone after the call."""

    def found(*texts):
        with open_locator(here.project, load_config(here.project.params)) as locator:
            return [(candidate.source, candidate.sha256, record) for candidate, record in locator.locate(texts)]

    return found
