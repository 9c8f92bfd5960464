"""DVC's own command, but for three things: killed at any moment, it leaves no half of a dvc.lock; who was killed holds
nothing any more; and params.yaml is read once.

    python -m penstock.orchestration.dvc_patches repro ...

DVC empties dvc.lock and writes it anew after every stage, a few tenths of a second for sixty stages; what is cut short
then, it refuses to read ever after, or takes for stages that have never run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, reduce
from operator import getitem
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
from dvc import rwlock
from dvc.cli import main
from dvc.dependency import param
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import YAMLFileCorruptedError, _common, parse_yaml
from voluptuous import Invalid

from penstock.core import console
from penstock.core.errors import ConfigError
from penstock.core.file_state import FileState
from penstock.core.paths import Project
from penstock.core.signals import Interrupted, children_interrupted_with_us
from penstock.io.files import atomic_write, write_text

# This module as a command.
DVC = [sys.executable, "-m", "penstock.orchestration.dvc_patches"]

_read_by_dvc = param.read_param_file


def dvc(arguments: Sequence[str]) -> int:
    """Runs a command of DVC in this process; returns its exit code."""
    patch_dvc()
    with children_interrupted_with_us():
        exit_code: int = main(list(arguments))
    return exit_code


def run(arguments: Sequence[str], root: Path) -> int:
    """The same in a process of its own, in a project's folder: while a stage runs, DVC ignores Ctrl-C for its whole
    process, which would not end as one that was interrupted."""
    with subprocess.Popen([*DVC, *arguments], cwd=root) as process, children_interrupted_with_us():
        return process.wait()


def patch_dvc() -> None:
    """From here on, in this process, DVC is as the head of this module says."""
    _common._dump_data = _dump_whole
    rwlock.psutil = SimpleNamespace(pid_exists=_is_alive)
    param.read_param_file = _read_param_file


def _is_alive(process: int) -> bool:
    """DVC also waits for those that have ended but that their parent has not asked about: for ever, where the parent
    was killed as well and nobody does it in its place, as in many a container."""
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _dump_whole(
    path: str,
    data: Any,  # noqa: ANN401  (DVC's own signature)
    dumper: Callable[..., None],
    **options: Any,  # noqa: ANN401
) -> None:
    """To a temporary name first, and then renamed."""
    assert options.get("fs") is None or options["fs"].protocol == "local"
    with atomic_write(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as file:
        dumper(data, file)


def _read_param_file(
    fs: Any,  # noqa: ANN401  (DVC's own signature)
    path: str,
    key_paths: list[str] | None = None,
    flatten: bool = False,
    **options: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Out of a file that has been read before, if it is as it was: DVC reads it for every stage, and looks at all of it
    for every key."""
    if fs.protocol == "local" and key_paths and flatten:
        content = _content(fs, path, FileState.of(Path(path)))
        with suppress(LookupError, TypeError):  # a pattern, or a key that is not there: DVC knows better
            return {key: reduce(getitem, key.split("."), content) for key in key_paths}
    return _read_by_dvc(fs, path, key_paths, flatten, **options)


@lru_cache(maxsize=4)
def _content(fs: Any, path: str, _state: FileState | None) -> Any:  # noqa: ANN401
    return _read_by_dvc(fs, path)


def repair_locks(project: Project) -> None:
    """Makes readable again what a `dvc repro` that was killed has cut short: the stages before the cut stay known.

    Raises:
        ConfigError: git has left a conflict in a dvc.lock, which is somebody's to solve.
    """
    for lock in project.dvc_locks:
        _refuse_a_conflict(lock, project.shown(lock))
    held = project.root / ".dvc" / "tmp" / "rwlock"
    if all(_is_whole(lock) for lock in project.dvc_locks) and _is_json(held):
        return
    # A living DVC writes them too, but only while it has this lock.
    with Repo(str(project.root), _wait_for_lock=True) as repo, repo.lock:
        for lock in project.dvc_locks:
            if not _is_whole(lock):
                shown = project.shown(lock)
                kept = project.scratch / "cut_short" / shown
                write_text(kept, _text(lock))
                _cut_back(lock)
                lost = "cut short when DVC was killed; the stages that it has lost run again"
                console.warn(f"{shown}: {lost} (as it was: {project.shown(kept)})")
        if not _is_json(held):
            held.unlink()


def _refuse_a_conflict(lock: Path, shown: str) -> None:
    text = _text(lock) if lock.is_file() else ""
    if conflict := re.search(r"^(<{7}|={7}|>{7})( |$)", text, re.MULTILINE):
        line = text.count("\n", 0, conflict.start()) + 1
        raise ConfigError(f"{lock}:{line}: git has left a conflict; `git checkout --ours {shown}` takes your side")


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
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(_with_the_last_stage_only(text), "dvc.lock"))
    except (YAMLFileCorruptedError, Invalid):
        return False
    return text.endswith("\n")


def _with_the_last_stage_only(text: str) -> str:
    """DVC writes from front to end: what has another stage behind it is whole, and to read it takes long."""
    stages = _stages_begin(text)
    return text[: stages[0]] + text[stages[-1] :] if stages else text


def _before_the_last_stage(text: str) -> str:
    stages = _stages_begin(text)
    return text[: stages[-1]] if len(stages) > 1 else ""


def _stages_begin(text: str) -> list[int]:
    return [stage.start() for stage in re.finditer(r"^  \S", text, re.MULTILINE)]


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
