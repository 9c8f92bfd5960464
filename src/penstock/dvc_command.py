"""DVC's own command, but for one thing: killed at any moment, it leaves no half of a dvc.lock.

    python -m penstock.dvc_command repro ...

DVC empties dvc.lock and writes it anew after every stage, a few tenths of a second for sixty stages; what is cut short
then, it refuses to read ever after, or takes for stages that have never run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dvc.cli import main
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import YAMLFileCorruptedError, _common, parse_yaml
from voluptuous import Invalid

from penstock import console
from penstock.files import write_text, written_whole
from penstock.interruption import Interrupted, children_interrupted_with_us
from penstock.project import Project

# This module as a command.
DVC = [sys.executable, "-m", "penstock.dvc_command"]


def dvc(arguments: Sequence[str]) -> int:
    """Runs a command of DVC in this process; returns its exit code."""
    write_whole_files()
    with children_interrupted_with_us():
        exit_code: int = main(list(arguments))
    return exit_code


def run(arguments: Sequence[str], root: Path) -> int:
    """The same in a process of its own, in a project's folder: while a stage runs, DVC ignores Ctrl-C for its whole
    process, which would not end as one that was interrupted."""
    with subprocess.Popen([*DVC, *arguments], cwd=root) as process, children_interrupted_with_us():
        return process.wait()


def write_whole_files() -> None:
    """From here on, DVC in this process writes what it modifies to a temporary name, and renames it."""
    _common._dump_data = _dump_whole


def _dump_whole(
    path: str,
    data: Any,  # noqa: ANN401  (DVC's own signature)
    dumper: Callable[..., None],
    **options: Any,  # noqa: ANN401
) -> None:
    assert options.get("fs") is None or options["fs"].protocol == "local"
    with written_whole(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as file:
        dumper(data, file)


def mend(project: Project) -> None:
    """Makes readable again what a `dvc repro` that was killed has cut short: the stages before the cut stay known."""
    held = project.root / ".dvc" / "tmp" / "rwlock"
    if all(_is_whole(lock) for lock in project.dvc_locks) and _is_json(held):
        return
    # A living DVC writes them too, but only while it has this lock.
    with Repo(str(project.root), _wait_for_lock=True) as repo, repo.lock:
        for lock in project.dvc_locks:
            if not _is_whole(lock):
                _cut_back(lock)
                lost = "cut short when DVC was killed; the stages that it has lost run again"
                console.warn(f"{project.shown(lock)}: {lost}")
        if not _is_json(held):
            held.unlink()


def _cut_back(lock: Path) -> None:
    known = _before_the_last_stage(_text(lock))
    if known:
        write_text(lock, known)
    else:
        lock.unlink()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _is_whole(lock: Path) -> bool:
    if not lock.is_file():
        return True
    text = _text(lock)
    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(text, "dvc.lock"))
    except (YAMLFileCorruptedError, Invalid):
        return False
    return text.endswith("\n")


def _before_the_last_stage(text: str) -> str:
    lines = text.splitlines(keepends=True)
    stages = [number for number, line in enumerate(lines) if re.match(r"  \S", line)]
    return "".join(lines[: stages[-1]]) if len(stages) > 1 else ""


def _is_json(path: Path) -> bool:
    try:
        json.loads(_text(path))
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    try:
        sys.exit(dvc(sys.argv[1:]))
    except Interrupted as interruption:
        sys.exit(interruption.exit_code)
