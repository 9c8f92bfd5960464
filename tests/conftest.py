"""What many tests need: the repository's own files and settings."""

from pathlib import Path

import pytest

from penstock.config import Config, load_config

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def config() -> Config:
    return load_config(REPOSITORY / "params.yaml")
