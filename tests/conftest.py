"""Fixtures of many tests: the repository's own settings, and small runs of the whole pipeline."""

import shutil
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from penstock.config.loading import load_config
from penstock.config.params import Config
from penstock.orchestration.resources import use_threads
from tests.helpers.iris_project import iris_repository
from tests.helpers.lookups import Lookups
from tests.helpers.small_project import SmallProject, small_repository

REPOSITORY = Path(__file__).parent.parent
# Whatever uses one of these needs a pipeline run, or runs one.
PIPELINE_FIXTURES = {"made_once", "small_copy"}
INTEGRATION_FIXTURES = {"mlflow_server"}
# One of each task, kind of network and kind of input. The others are trained for slow tests.
SMALL_MODELS = ("iris_mlp", "mnist_cnn", "mnist_autoencoder", "mnist_gan", "imdb_lstm", "imdb_attention")
EVERY_MODEL = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def config() -> Config:
    return load_config(REPOSITORY / "params.yaml")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database of MLflow without runs; to create one takes seconds."""
    from mlflow import MlflowClient  # takes seconds to import, and few tests need it

    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session", autouse=True)
def threads_of_a_stage(config):
    use_threads(config.trainer.threads)


@pytest.fixture(autouse=True)
def own_tracking_uri(monkeypatch):
    """Undo what MLflow does when a test sets a tracking URI: it keeps it, and sets the variable for all processes."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    yield
    if "mlflow" in sys.modules:  # it takes seconds to import
        sys.modules["mlflow"].set_tracking_uri(None)


@pytest.fixture
def linked_project(repository, tmp_path):
    """A project of the repository's own sources and a copy of its settings, in which nothing has run."""
    for name in ("src", "dvc.yaml"):
        (tmp_path / name).symlink_to(repository / name)
    shutil.copy(repository / "params.yaml", tmp_path)
    shutil.copytree(repository / "pipelines", tmp_path / "pipelines")  # commands write code.yaml there
    return tmp_path


@pytest.fixture
def small_copy(repository, tmp_path):
    """The repository's files in a folder of their own, with settings for a quick run; nothing has run yet."""
    return small_repository(repository, tmp_path)


def of_each_model(names):
    """Parameters of a test for each model of `small_run`; those outside SMALL_MODELS are slow."""
    return [name if name in SMALL_MODELS else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config, items):
    """Mark the tests that need a pipeline run, set timeouts, and give each worker something else to begin with."""
    for item in items:
        if PIPELINE_FIXTURES & set(item.fixturenames):
            item.add_marker("pipeline")
        if INTEGRATION_FIXTURES & set(item.fixturenames):
            item.add_marker("integration")
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_timeout(item)))
    yield  # pytest deselects by markers
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.stash[EVERY_MODEL] = any("small_run" in item.fixturenames for item in slow)
    _order(items)


def _order(items):
    needs_run = [item for item in items if "small_run" in item.fixturenames]
    rest = [item for item in items if "small_run" not in item.fixturenames]
    third = len(items) // 3
    # pytest-xdist gives each of three workers a third, in this order. The first one makes the run; the tests that would
    # wait for it come late.
    items[:] = [*needs_run[:third], *rest[:third], *needs_run[third:], *rest[third:]]


def _timeout(item):
    """Return seconds, ten times what a busy machine with two cores needs."""
    if item.get_closest_marker("slow"):
        return 1200
    return 300 if item.get_closest_marker("pipeline") else 120


@pytest.fixture(scope="session")
def made_once(tmp_path_factory, worker_id):
    """Return a function that calls `make` with an empty folder of that name and returns the folder.

    One worker of several does so, and the others wait for it.
    """

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


def lookups_of(run):
    """Record of the names that a run of the pipeline looks up."""
    folder = run.with_suffix(".lookups")
    folder.mkdir(exist_ok=True)
    return Lookups(folder)


@pytest.fixture(scope="session")
def small_run(repository, made_once, request):
    """A small project in a git repository after `make repro`, run once; for tests that only look at it.

    It has all documented models if slow tests are among those selected, otherwise SMALL_MODELS.
    """

    def make(folder):
        config = load_config(repository / "params.yaml")
        models = config.models if request.config.stash[EVERY_MODEL] else SMALL_MODELS
        project = small_repository(repository, folder, models=[*models, *config.tuned])
        project.run("git", "init", "--quiet")
        project.run("git", "add", "--all")
        author = ["-c", "user.name=newcomer", "-c", "user.email=newcomer@example.org"]
        project.run("git", *author, "commit", "--quiet", "--message", "clone")
        trace = lookups_of(folder).environment
        output = project.run(*project.make_with_this_environment("make repro"), **trace).stdout
        folder.with_suffix(".txt").write_text(output)

    return SmallProject(made_once("small", make), shared=True)


@pytest.fixture(scope="session")
def repro_output(small_run):
    """What `make repro` has printed for `small_run`."""
    return small_run.root.with_suffix(".txt").read_text()


@pytest.fixture
def changed_run(small_run, tmp_path):
    """A copy of the small run, for a test that edits or breaks it."""
    return small_run.copied_to(tmp_path / "project")


@pytest.fixture(scope="session")
def iris_run(repository, made_once):
    """A git repository of iris_mlp alone, run and committed; for tests that copy it."""
    return SmallProject(made_once("iris", lambda folder: iris_repository(repository, folder)), shared=True)


@pytest.fixture(scope="session")
def serial_run(repository, made_once):
    """A second run of fewer models, by `dvc repro` in an unpacked archive without .git."""

    def make(folder):
        project = small_repository(repository, folder, models=SMALL_MODELS)
        project.run("dvc", "config", "--local", "core.no_scm", "true")
        project.run("dvc", "repro", **lookups_of(folder).environment)

    return SmallProject(made_once("serial", make), shared=True)
