"""Determine the address of MLflow, and set its timeouts."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.io.files import canonical_hash

if TYPE_CHECKING:
    from penstock.config.params import Config

SQLITE = "sqlite:///"
URI = "MLFLOW_TRACKING_URI"
MISREAD = frozenset("%?")  # MLflow decodes the one in the path of a database, and SQLAlchemy ends the path at the other
TIMEOUT_SECONDS, RETRIES = 10, 2


def tracking_uri(project: Project, config: Config) -> str:
    """Return MLFLOW_TRACKING_URI, or else `tracking.uri` of params.yaml.

    The path of a database file is that of the project itself in a copy that DVC made of it. It is absolute, unless
    MLflow would misread it: then it is relative to the working directory.
    """
    uri = os.environ.get(URI) or config.tracking.uri
    if not uri.startswith(SQLITE):
        return uri
    path = project.original.root / uri.removeprefix(SQLITE)
    return f"{SQLITE}{os.path.relpath(path) if MISREAD & set(str(path)) else path}"


def absolute(uri: str) -> str:
    """Return an address that does not depend on the working directory."""
    return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).resolve()}" if uri.startswith(SQLITE) else uri


def local_artifacts(project: Project, experiment: str) -> str:
    """Return where the artifacts of an experiment are, if MLflow is a database file: in the project."""
    return (project.original.root / "mlruns" / experiment).as_uri()


def registry_uri() -> str:
    """Return MLFLOW_TRACKING_URI, or else the tracking URI of the project in the working directory.

    Raises:
        ConfigError: Neither is set.
    """
    if uri := os.environ.get(URI):
        return uri
    try:
        from penstock.config.loading import load_config

        project = Project.find()
        return tracking_uri(project, load_config(project.params))
    except (ConfigError, ModuleNotFoundError) as error:
        raise ConfigError(f"{URI}: set it to MLflow's address; found no project with one here ({error})") from None


def require_complete(uri: str) -> None:
    """Check that the database file of an address exists, or that the address has a host.

    Raises:
        ConfigError: It does not.
        ValueError: The address cannot be parsed.
    """
    if uri.startswith(SQLITE):
        path = uri.removeprefix(SQLITE).partition("?")[0]
        if not any(Path(name).is_file() for name in (path, unquote(path))):
            raise ConfigError("there is no such database file")
    elif uri.startswith(("http:", "https:")) and not urlsplit(uri).hostname:
        raise ConfigError("the address has no host")


def label_of(uri: str) -> str:
    """Return the first 8 hex digits of the hash of an address, without its user and password."""
    scheme, separator, rest = uri.rstrip("/").partition("://")
    return canonical_hash([scheme, rest.rpartition("@")[2] if separator else ""])[:8]


def be_brief() -> None:
    """Reduce the log output and the timeouts of MLflow, which by default retries an unreachable server for minutes.

    The settings apply to the whole process and its children.
    """
    for library in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
        logging.getLogger(library).setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_SECONDS))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(RETRIES))
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
