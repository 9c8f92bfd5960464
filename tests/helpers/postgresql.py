"""A PostgreSQL server for a test, of Debian's package, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

OWNER = "postgres"  # PostgreSQL refuses to run as root


@contextmanager
def postgresql_server() -> Iterator[str]:
    """Run a server while the block runs, and yield the URL of an empty database."""
    # Not below pytest's folders, which only their owner may enter.
    home = Path(tempfile.mkdtemp(prefix="penstock-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(home, OWNER, OWNER)
    data = home / "data"
    try:
        _run(
            "initdb",
            "--pgdata",
            str(data),
            "--username",
            OWNER,
            "--auth",
            "trust",
            "--no-sync",
            "--locale",
            "C",
            "-E",
            "UTF8",
        )
        options = f"-k {home} -c listen_addresses='' -c fsync=off"
        _run("pg_ctl", "start", "--wait", "-D", str(data), "-l", str(home / "log"), "-o", options)
        try:
            yield f"postgresql://{OWNER}@/postgres?host={home}"
        finally:
            _run("pg_ctl", "stop", "--wait", "-D", str(data), "-m", "immediate")
    finally:
        shutil.rmtree(home)


def _run(program: str, *arguments: str) -> None:
    command = [*_as_owner(), str(_programs() / program), *arguments]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")
    assert done.returncode == 0, done.stdout


def _as_owner() -> Sequence[str]:
    if os.geteuid() != 0:
        return []
    owner = pwd.getpwnam(OWNER)
    return ["setpriv", "--reuid", str(owner.pw_uid), "--regid", str(owner.pw_gid), "--clear-groups"]


def _programs() -> Path:
    """Return the folder of the programs; Debian has one for each version, outside PATH."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
