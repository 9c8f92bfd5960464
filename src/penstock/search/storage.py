"""Open the database of studies: a SQLite file for one machine, PostgreSQL for many."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import RDBStorage
from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from penstock.core.credentials import without_credentials
from penstock.core.errors import ConfigError, SearchError, first_line
from penstock.core.paths import Project
from penstock.search import claims, results

SQLITE, POSTGRESQL = "sqlite", "postgresql"
BUSY_SECONDS = 60.0
LOCK = 7_308_327  # number of PostgreSQL's advisory lock; any number that no other program uses
# Errors of a database that is out of reach for a moment. Optuna wraps those of SQLAlchemy.
UNREACHABLE = (SQLAlchemyError, optuna.exceptions.StorageInternalError)
VARIABLE = "OPTUNA_STORAGE"  # Optuna's own variable


def storage_url(project: Project, chosen: str | None) -> str:
    """Return the URL of the database: `--storage`, else OPTUNA_STORAGE, else a file in the project's folder."""
    url = chosen or os.environ.get(VARIABLE)
    if not url:
        return f"sqlite:///{project.original.scratch / 'studies.db'}"
    address = _parse(url)
    if address.get_backend_name() != SQLITE or str(address.database).startswith("file:"):
        return url
    absolute = Path(str(address.database)).absolute()  # workers run in the project's folder
    return address.set(database=str(absolute)).render_as_string()


@contextmanager
def open_storage(url: str) -> Iterator[RDBStorage]:
    """Open the database, create the tables that it lacks, and close it with the block.

    Raises:
        ConfigError: It is of another kind, cannot be used, or belongs to MLflow.
    """
    address = _parse(url)
    shown = without_credentials(url)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if address.get_backend_name() == SQLITE and address.database:
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        _require_own_database(address)
        with _lock(address):
            storage = _open(address)
    except (SQLAlchemyError, optuna.exceptions.OptunaError, OSError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise ConfigError(f"--storage {shown}: cannot be used: {first_line(cause)}") from None
    try:
        yield storage
    except UNREACHABLE as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise SearchError(f"--storage {shown}: failed: {first_line(cause)}; the same command goes on") from None
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _parse(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError(f"--storage {without_credentials(url)}: no URL of a database; {_EXAMPLES}") from None
    if address.get_backend_name() not in (SQLITE, POSTGRESQL):
        raise ConfigError(f"--storage {without_credentials(url)}: neither SQLite nor PostgreSQL; {_EXAMPLES}")
    if address.get_backend_name() == SQLITE and address.database in (None, "", ":memory:"):
        raise ConfigError(f"--storage {url}: is no file, which workers could share; {_EXAMPLES}")
    return address.set(drivername="postgresql+psycopg") if address.get_backend_name() == POSTGRESQL else address


_EXAMPLES = "use sqlite:///FILE on one machine, or postgresql://USER@HOST/DATABASE"


def _require_own_database(address: URL) -> None:
    """Refuse a database of MLflow, whose schema has a version in the same table as Optuna's, `alembic_version`.

    Raises:
        ConfigError: The database is one.
    """
    if address.get_backend_name() == SQLITE and not Path(address.database or "").is_file():
        return
    engine = create_engine(address)
    try:
        tables = set(inspect(engine).get_table_names())
    finally:
        engine.dispose()
    if {"experiments", "runs"} <= tables or ("alembic_version" in tables and "studies" not in tables):
        raise ConfigError(
            f"--storage {without_credentials(str(address))}: is a database of MLflow or of another program, whose "
            "table alembic_version Optuna needs for itself; name a database of its own"
        )


@contextmanager
def locked_storage(url: str) -> Iterator[None]:
    """Let one process at a time add what may be there already: two would both find nothing."""
    with _lock(_parse(url)):
        yield


@contextmanager
def _lock(address: URL) -> Iterator[None]:
    if address.get_backend_name() == SQLITE:
        with FileLock(f"{address.database}.lock"):
            yield
        return
    engine = create_engine(address)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
            yield
    finally:
        engine.dispose()


def _open(address: URL) -> RDBStorage:
    is_file = address.get_backend_name() == SQLITE
    # Without a level of isolation sqlite3 begins no transaction by itself; see `_begin_at_once`.
    options: dict[str, Any] = {"connect_args": {"isolation_level": None, "timeout": BUSY_SECONDS}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = RDBStorage(
            address.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}"),
            engine_kwargs=options if is_file else {"pool_pre_ping": True},
        )
    if is_file:
        _begin_at_once(storage.engine)
    for tables in (claims.TABLES, results.TABLES):
        tables.create_all(storage.engine)
    return storage


def _begin_at_once(engine: Engine) -> None:
    """Begin each transaction with the lock for writing.

    SQLite has no `SELECT ... FOR UPDATE`, by which Optuna lets one of several workers change a trial. Without the lock
    two workers could both read that a trial is not finished, and both finish it.
    """
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")  # readers do not wait for a commit
    event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous = NORMAL"))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    engine.dispose()
