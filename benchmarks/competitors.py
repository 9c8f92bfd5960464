"""Run competitors as processes that take turns: each runs once per line on stdin, and prints its seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from penstock.core.paths import Project

PACKAGES_OF_KERAS = ("keras>=3.15,<4", "tensorflow-cpu>=2.21,<3")


class Contender:
    """A process that reads a command per line, and prints its result as a line of JSON.

    Args:
        command: Program and arguments.
        cwd: Working directory.
    """

    def __init__(self, *command: str | Path, cwd: Path) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=environment_of_a_newcomer() | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()  # closes the pipes, and waits for the exit

    def tell(self, what: str) -> Any:  # noqa: ANN401  (any JSON)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{self._process.args!r} ended")


def environment_of_a_newcomer() -> dict[str, str]:
    """Return the environment variables without this process' limits on threads."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}


def ours(module: str, *arguments: str | Path, cwd: Path) -> Contender:
    return Contender(sys.executable, "-m", module, *arguments, cwd=cwd)


def keras(project: Project, script: str, *arguments: str | Path) -> Contender:
    """Start a script of this folder in the virtual environment of Keras."""
    python = environment(project, "keras", PACKAGES_OF_KERAS)
    return Contender(python, Path(__file__).with_name(script), *arguments, cwd=project.root)


def environment(project: Project, name: str, packages: Sequence[str]) -> Path:
    """Create a virtual environment with packages, unless it exists, and return its Python.

    Args:
        project: The environment is in its scratch folder.
        name: Folder of the environment.
        packages: Requirements; a change recreates the environment.
    """
    folder = project.scratch / "benchmarks" / name
    python = folder / "bin" / "python"
    done = folder / "packages.txt"
    wanted = "\n".join(packages)
    if not done.is_file() or done.read_text() != wanted:
        print(f"making an environment with {', '.join(packages)} in {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        done.write_text(wanted)
    return python
