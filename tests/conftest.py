"""What many tests need: the repository's own settings, and small runs of the whole pipeline."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.config import Config, load_config
from tests.small import Copy, small_repository

REPOSITORY = Path(__file__).parent.parent
# One of each task and kind of input: a second run of all the others would only take longer.
NEWCOMERS = ("iris_mlp", "mnist_cnn", "mnist_autoencoder", "mnist_gan", "imdb_lstm")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def config() -> Config:
    return load_config(REPOSITORY / "params.yaml")


@pytest.fixture
def linked_project(repository, tmp_path):
    """A project of the repository's own scripts and a copy of its params.yaml, in which nothing has run."""
    for name in ("pipelines", "dvc.yaml"):
        (tmp_path / name).symlink_to(repository / name)
    shutil.copy(repository / "params.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def small_copy(repository, tmp_path):
    """The repository's files in a folder of their own, with settings for a quick run; nothing has run yet."""
    return small_repository(repository, tmp_path)


@pytest.fixture(scope="session")
def small_run(repository, tmp_path_factory):
    """`dvc repro` of everything, once, in an unpacked archive without .git; for tests that only look at it."""
    copy = small_repository(repository, tmp_path_factory.mktemp("small"))
    copy.run("dvc", "config", "--local", "core.no_scm", "true")
    copy.run("dvc", "repro")
    return copy


@pytest.fixture
def changed_run(small_run, tmp_path):
    """A copy of the small run, for a test that edits or breaks it."""
    root = tmp_path / "project"
    shutil.copytree(small_run.root, root, symlinks=True)
    return Copy(root)


@dataclass(frozen=True)
class NewcomerRun:
    copy: Copy
    output: str


@pytest.fixture(scope="session")
def newcomer_run(repository, tmp_path_factory):
    """`make repro` as a newcomer runs it, in a git repository; the second run of everything, with its output."""
    copy = small_repository(repository, tmp_path_factory.mktemp("newcomer"), models=NEWCOMERS)
    copy.run("git", "init", "--quiet")
    copy.run("git", "add", "--all")
    author = ["-c", "user.name=newcomer", "-c", "user.email=newcomer@example.org"]
    copy.run("git", *author, "commit", "--quiet", "--message", "clone")
    return NewcomerRun(copy, copy.run(*copy.make_with_this_environment("make repro")).stdout)
