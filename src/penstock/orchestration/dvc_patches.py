"""Run DVC with four corrections: python -m penstock.orchestration.dvc_patches repro ...

1. dvc.lock is written atomically (treeverse/dvc#5028). DVC empties the file and writes it anew after every stage. When
   it is killed meanwhile, it cannot read the file afterwards, or runs finished stages again.
2. A process that has ended but was not waited for holds no lock (treeverse/dvc#8623). DVC checks only whether the
   process exists, so it waits forever where nobody reaps orphans, as in many containers.
3. params.yaml is parsed once (not reported). DVC 3.67 parses it again for every stage, most of the time of a run with
   nothing to do.
4. Of dvc.lock, only the stage that ran is written anew (not reported). DVC parses and formats the whole file in Python,
   1.5 s for our 62 stages, after each of them.

`repair_locks` makes the files readable that a DVC without these corrections left behind.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache, reduce
from importlib.metadata import version
from operator import getitem
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
from voluptuous import Invalid

from penstock.core import console
from penstock.core.errors import PenstockError
from penstock.core.file_state import FileState
from penstock.core.paths import Project
from penstock.core.signals import Interrupted, children_interrupted_with_us
from penstock.io.files import atomic_write, write_text
from penstock.orchestration.conflicts import require_no_conflicts

__all__ = ["DVC", "dvc", "get_active_graph", "patch_dvc", "plan_repro", "repair_locks", "run"]


def _other_internals(difference: str) -> PenstockError:
    return PenstockError(
        f"dvc {version('dvc')} {difference}, which Penstock corrects; "
        "install the version of constraints.txt: pip install --constraint constraints.txt dvc"
    )


# Internals of DVC, which may change with any of its versions; those of the scheduler too.
try:
    from dvc import dvcfile, rwlock
    from dvc.cli import main
    from dvc.dependency import param
    from dvc.dependency.param import read_param_file as _read_by_dvc
    from dvc.repo import Repo
    from dvc.repo.reproduce import get_active_graph, plan_repro
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import YAMLFileCorruptedError, _common, dump_yaml, dumps_yaml, parse_yaml
    from dvc.utils.serialize import modify_yaml as _modify_by_dvc
except ImportError as error:
    if error.name == "dvc" and isinstance(error, ModuleNotFoundError):
        raise
    raise _other_internals(f"has other internals ({error})") from error

LOCK_HEAD = "schema: '2.0'\nstages:\n"
# This module as a command.
DVC = [sys.executable, "-m", "penstock.orchestration.dvc_patches"]


def dvc(arguments: Sequence[str]) -> int:
    """Run a command of DVC in this process; return its exit code."""
    patch_dvc()
    with children_interrupted_with_us():
        exit_code: int = main(list(arguments))
    return exit_code


def run(arguments: Sequence[str], root: Path) -> int:
    """Run a command of DVC in a process of its own; return its exit code.

    While a stage runs, DVC ignores Ctrl-C in its whole process, so this one could not end as interrupted.

    Args:
        root: Folder of the project.
    """
    with subprocess.Popen([*DVC, *arguments], cwd=root) as process, children_interrupted_with_us():
        return process.wait()


def patch_dvc() -> None:
    """Apply the corrections to DVC in this process.

    Raises:
        PenstockError: This version of DVC has other internals.
    """
    _replace(_common, "_dump_data", _dump_atomically)
    _replace(rwlock, "psutil", SimpleNamespace(pid_exists=_is_alive))
    _replace(param, "read_param_file", _read_param_file)
    _replace(dvcfile, "modify_yaml", _modify_yaml)


def _replace(module: ModuleType, name: str, replacement: object) -> None:
    if not hasattr(module, name):
        raise _other_internals(f"has no {module.__name__}.{name}")
    setattr(module, name, replacement)


def _is_alive(process: int) -> bool:
    """Return whether a process runs; one that has ended and was not waited for does not."""
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _dump_atomically(
    path: str,
    data: Any,  # noqa: ANN401  (DVC's own signature)
    dumper: Callable[..., None],
    **options: Any,  # noqa: ANN401
) -> None:
    """Write a YAML file under a temporary name, and rename it."""
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
    """Return the values of some keys from a file that is parsed once for as long as it stays unchanged."""
    if fs.protocol == "local" and key_paths and flatten:
        content = _content(fs, path, FileState.of(Path(path)))
        with suppress(LookupError, TypeError):  # a pattern, or a missing key: left to DVC
            return {key: reduce(getitem, key.split("."), content) for key in key_paths}
    return _read_by_dvc(fs, path, key_paths, flatten, **options)


@lru_cache(maxsize=4)
def _content(fs: Any, path: str, _state: FileState | None) -> Any:  # noqa: ANN401
    return _read_by_dvc(fs, path)


@contextmanager
def _modify_yaml(path: str, fs: Any = None) -> Iterator[Any]:  # noqa: ANN401  (DVC's own signature)
    """Yield the content of a YAML file, and write what the block made of it.

    In a dvc.lock, only the text of the stages that the block replaced or added changes.
    """
    lock = Path(path)
    text = _text(lock) if lock.is_file() else ""
    content = parse_yaml(text, path) if text.startswith(LOCK_HEAD) else {}
    known = dict(content.get("stages", {}))
    starts = [len(LOCK_HEAD), *_stage_starts(text)[1:], len(text)]
    is_usual = text.endswith("\n") and "\ufffd" not in text and len(_stage_starts(text)) == len(known)
    if content.keys() != {"schema", "stages"} or not is_usual:
        with _modify_by_dvc(path, fs=fs) as by_dvc:
            yield by_dvc
        return
    yield content
    if content.keys() != {"schema", "stages"}:
        dump_yaml(path, content, fs=fs)
        return
    blocks = {name: text[start:end] for name, start, end in zip(known, starts[:-1], starts[1:], strict=True)}
    for name, stage in content["stages"].items():
        if stage is not known.get(name):
            blocks[name] = dumps_yaml({"stages": {name: stage}}).removeprefix("stages:\n")
    write_text(lock, LOCK_HEAD + "".join(blocks[name] for name in content["stages"]))


def repair_locks(project: Project) -> None:
    """Repair each dvc.lock that a killed `dvc repro` left truncated; the stages before the cut stay known.

    Raises:
        ConfigError: Git left a conflict in one, which a person must resolve.
    """
    require_no_conflicts(project)
    held = project.root / ".dvc" / "tmp" / "rwlock"
    if all(_is_complete(lock) for lock in project.dvc_locks) and _is_json(held):
        return
    # A running DVC also writes them, but only while it holds this lock.
    with Repo(str(project.root), _wait_for_lock=True) as repo, repo.lock:
        for lock in project.dvc_locks:
            if not _is_complete(lock):
                shown = project.shown(lock)
                kept = project.scratch / "truncated_locks" / shown
                write_text(kept, _text(lock))
                _drop_last_stage(lock)
                lost = "truncated when DVC was killed; the stages that it lost run again"
                console.warn(f"{shown}: {lost} (copy of the truncated file: {project.shown(kept)})")
        if not _is_json(held):
            held.unlink()


def _drop_last_stage(lock: Path) -> None:
    known = _before_last_stage(_text(lock))
    if known:
        write_text(lock, known)
    else:
        lock.unlink()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _is_complete(lock: Path) -> bool:
    if not lock.is_file():
        return True
    text = _text(lock)
    try:
        COMPILED_LOCKFILE_SCHEMA(parse_yaml(_last_stage_only(text), "dvc.lock"))
    except (YAMLFileCorruptedError, Invalid):
        return False
    return text.endswith("\n")


def _last_stage_only(text: str) -> str:
    """Return the text without the stages before the last one: these are complete, and parsing them takes long."""
    stages = _stage_starts(text)
    return text[: stages[0]] + text[stages[-1] :] if stages else text


def _before_last_stage(text: str) -> str:
    stages = _stage_starts(text)
    return text[: stages[-1]] if len(stages) > 1 else ""


def _stage_starts(text: str) -> list[int]:
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
