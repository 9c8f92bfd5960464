"""Correct the addresses of artifacts in MLflow's database file after its project was moved or copied.

MLflow stores absolute addresses. Without the correction, a moved project creates its old folder again and writes there,
and a copy writes into the project that it was copied from.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote

from penstock.core import console
from penstock.tracking.uri import SQLITE

# Columns that contain the address of an artifact.
ADDRESSES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "model_versions": "storage_location",
    "logged_models": "artifact_location",
}
SECONDS_FOR_LOCK = 1.0
# Where a project keeps the artifacts of an experiment, and what it was before the folder of the project.
_LOCATION = re.compile(r"(?P<root>file://.*)/mlruns/(?P<experiment>[^/]+)")


def follow_moved_project(uri: str) -> None:
    """Let addresses of artifacts that were moved together with the database point to where they are now, and say so.

    Only addresses below the `mlruns` of another folder change, and only if this folder has the experiment in its own
    `mlruns`: a database file of several projects stays as it is.
    """
    if not uri.startswith(SQLITE):
        return
    database = Path(uri.removeprefix(SQLITE)).resolve()
    folder = next((parent for parent in database.parents if (parent / "mlruns").is_dir()), None)
    if folder is None or not database.is_file():
        return
    # Without a database or its tables, MLflow says so or creates them; a locked database is corrected later.
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(database, timeout=SECONDS_FOR_LOCK)) as connection:
        former = _former_roots(connection, folder)
        with connection:
            for root in former:
                _move(connection, root, folder)
        for root in former:
            console.warn(f"{database}: the project was in {_path(root)}; its artifacts are now read and written here")


def _former_roots(connection: sqlite3.Connection, folder: Path) -> set[str]:
    locations = connection.execute("SELECT artifact_location FROM experiments").fetchall()
    found = [_LOCATION.fullmatch(location or "") for (location,) in locations]
    roots = {match["root"] for match in found if match and (folder / "mlruns" / unquote(match["experiment"])).is_dir()}
    return {root for root in roots if Path(_path(root)).resolve() != folder}


def _move(connection: sqlite3.Connection, root: str, folder: Path) -> None:
    for table, column in ADDRESSES.items():
        _replace_prefix(connection, table, column, f"{root}/mlruns/", f"{folder.as_uri()}/mlruns/")
        # MLflow's own experiment, Default, has a path.
        _replace_prefix(connection, table, column, f"{_path(root)}/mlruns/", f"{folder}/mlruns/")


def _path(root: str) -> str:
    return unquote(root.removeprefix("file://"))


def _replace_prefix(connection: sqlite3.Connection, table: str, column: str, old: str, new: str) -> None:
    connection.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
        (new, len(old) + 1, len(old), old),
    )
