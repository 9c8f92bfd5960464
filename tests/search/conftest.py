"""A project of iris_mlp with data of its own, and databases of studies."""

from __future__ import annotations

import itertools
from contextlib import ExitStack

import pytest

from tests.helpers.postgresql import postgresql_server
from tests.search.search_project import SearchProject

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgresql():
    """The URL of a PostgreSQL server; each test takes a schema of its own."""
    with postgresql_server() as url:
        yield url


@pytest.fixture
def schema(postgresql):
    """The URL of an empty schema of PostgreSQL."""
    import psycopg

    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{postgresql}&options=-csearch_path={name}"


@pytest.fixture
def searched(linked_project, monkeypatch):
    """A project with small processed data, in which nothing has run."""
    with ExitStack() as ending:
        project = SearchProject(linked_project, ending)
        project.write_data()
        project.share_uploader(monkeypatch)
        yield project
