"""The browser of a module of tests."""

import pytest

from tests.serving.ui.browser import chromium


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser
