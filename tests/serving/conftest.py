import pytest

from tests.serving.server_process import serving


@pytest.fixture(scope="session")
def served(small_run):
    """A server of all models, for read-only tests."""
    with serving(small_run.root) as running:
        yield running
