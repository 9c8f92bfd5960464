"""What many tests need: the repository's own settings, and small runs of the whole pipeline."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from penstock.config.loading import load_config
from penstock.config.params import Config
from penstock.orchestration.resources import use_threads
from tests.helpers.small_project import Copy, small_repository

REPOSITORY = Path(__file__).parent.parent
# One of each task and kind of input: a second run of all the others would only take longer.
E2E_MODELS = ("iris_mlp", "mnist_cnn", "mnist_autoencoder", "mnist_gan", "imdb_lstm")
TUNED = ("mnist_cnn_tuned", "mnist_autoencoder_tuned", "imdb_lstm_tuned", "imdb_ngrams")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def config() -> Config:
    return load_config(REPOSITORY / "params.yaml")


@pytest.fixture(scope="session", autouse=True)
def threads_of_a_stage(config):
    use_threads(config.trainer.threads)


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


def pytest_collection_modifyitems(items):
    """Each of three workers begins with its third: the tests of one small run, those of the other, and what needs
    neither."""
    newcomer = [item for item in items if "newcomer_run" in item.fixturenames]
    rest = [item for item in items if "newcomer_run" not in item.fixturenames]
    newcomer.sort(key=lambda item: "small_run" in item.fixturenames)
    rest.sort(key=lambda item: "small_run" not in item.fixturenames)
    third = len(items) // 3
    items[:] = [*rest[:third], *newcomer, *rest[third:]]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory, worker_id):
    """Calls `make` with an empty folder of that name and returns the folder; of several workers one does, and the
    others wait for it."""

    def made(name, make):
        base = tmp_path_factory.getbasetemp()
        folder = (base if worker_id == "master" else base.parent) / name
        done = folder.with_suffix(".done")
        with FileLock(folder.with_suffix(".lock")):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def small_run(repository, made_once):
    """`dvc repro` of everything, once, in an unpacked archive without .git; for tests that only look at it."""

    def make(folder):
        copy = small_repository(repository, folder)
        copy.run("dvc", "config", "--local", "core.no_scm", "true")
        copy.run("dvc", "repro")

    return Copy(made_once("small", make), shared=True)


@pytest.fixture
def changed_run(small_run, tmp_path):
    """A copy of the small run, for a test that edits or breaks it."""
    return small_run.copied_to(tmp_path / "project")


@dataclass(frozen=True)
class NewcomerRun:
    copy: Copy
    output: str


@pytest.fixture(scope="session")
def newcomer_run(repository, made_once):
    """`make repro` as a newcomer runs it, in a git repository; the second run of everything, with its output."""

    def make(folder):
        copy = small_repository(repository, folder, models=(*E2E_MODELS, *TUNED))
        copy.run("git", "init", "--quiet")
        copy.run("git", "add", "--all")
        author = ["-c", "user.name=newcomer", "-c", "user.email=newcomer@example.org"]
        copy.run("git", *author, "commit", "--quiet", "--message", "clone")
        output = copy.run(*copy.make_with_this_environment("make repro")).stdout
        folder.with_suffix(".txt").write_text(output)

    folder = made_once("newcomer", make)
    return NewcomerRun(Copy(folder, shared=True), folder.with_suffix(".txt").read_text())
