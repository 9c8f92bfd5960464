import pytest

from tests.serving import tiny_models
from tests.serving.server_process import serving


@pytest.fixture(scope="session")
def served(small_run):
    """A server of all models, for read-only tests."""
    with serving(small_run.root) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with one tiny model."""
    folder = tmp_path_factory.mktemp("models")
    tiny_models.save(folder, "fractions", tiny_models.fractions())
    return folder


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """An access log."""
    return tmp_path_factory.mktemp("log") / "access.jsonl"
