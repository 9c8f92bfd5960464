"""A copy of the repository that runs for real, on real data, in a minute instead of many."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from ruamel.yaml import YAML

from penstock.config.loading import load_config


@dataclass(frozen=True)
class SmallProject:
    """A project folder of its own, or one that several test workers share: there, one command runs at a time."""

    root: Path
    shared: bool = False

    def copied_to(self, root: Path) -> SmallProject:
        """The same files in another folder, which does not exist yet."""
        with self._alone():
            shutil.copytree(self.root, root, symlinks=True)
        return SmallProject(root)

    def _alone(self) -> AbstractContextManager[object]:
        return FileLock(self.root.with_suffix(".busy")) if self.shared else nullcontext()

    @property
    def environment(self) -> dict[str, str]:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": programs, "PYTHONPATH": str(self.root / "src"), "DVC_NO_ANALYTICS": "1"}

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs a command there, with this Python's programs and the copy's own sources; returns all that it said."""
        with self._alone():
            done = subprocess.run(
                command,
                cwd=self.root,
                env=os.environ | self.environment | environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        assert not check or done.returncode == 0, done.stdout
        return done

    def make_with_this_environment(self, command: str) -> list[str]:
        """A `make` command that takes this Python's environment for its own, as installed."""
        assert command.startswith("make ")
        installed = [option for stamp in (".pipeline", ".test") for option in ("-o", f"{sys.prefix}/{stamp}")]
        return [*command.split(), f"VENV={sys.prefix}", *installed]

    def read_params(self) -> Any:
        """params.yaml as ruamel has it, anchors and comments included."""
        return _yaml().load((self.root / "params.yaml").read_text())

    def write_params(self, document: Any) -> None:
        with (self.root / "params.yaml").open("w") as file:
            _yaml().dump(document, file)

    def edit_params(self, **changes: Any) -> None:
        """Sets values by dotted key, written with __ for the dot: models__mnist_cnn__training__epochs=1."""
        document = self.read_params()
        for dotted, value in changes.items():
            *parents, last = dotted.split("__")
            block = document
            for key in parents:
                block = block[key]
            block[last] = value
        self.write_params(document)


def small_repository(repository: Path, root: Path, models: Collection[str] | None = None) -> SmallProject:
    """The files that git would carry, into an empty folder without .git, with a few hundred rows and an epoch or
    two of each model; mirrors stay where they are.

    Args:
        models: those to keep, documented or tuned; None keeps them all.
    """
    listed = subprocess.run(
        # An index of nothing, so that an unpacked archive without .git is asked the same way.
        [
            "git",
            f"--git-dir={_empty_index()}",
            f"--work-tree={repository}",
            "ls-files",
            "--others",
            "--exclude-standard",
        ],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if (repository / name).is_file() and not name.endswith("dvc.lock") and "reports/" not in name:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, root / name)
    copy = SmallProject(root)
    mirrors = load_config(root / "params.yaml").download.mirrors
    absolute = [mirror if "://" in mirror else str((repository / mirror).resolve()) for mirror in mirrors]
    copy.edit_params(download__mirrors=absolute)
    copy.edit_params(datasets__mnist__split__max_rows=600, datasets__imdb__split__max_rows=600)
    copy.edit_params(datasets__iris__split__repeats=1, num_seeds=2)
    document = copy.read_params()
    for group in (document["models"], document["tuned"]):
        for name in set(group) - set(models or group):
            del group[name]
    for reference in document["fid_references"].values():
        if reference["classifier"] not in document["models"]:
            reference["classifier"] = "mnist_cnn"
    for model in [*document["models"].values(), *document["tuned"].values()]:
        model["training"]["epochs"] = 2
        # Two epochs on a few hundred rows reach nothing; parity is held to as ever.
        reachable = {"accuracy": 0, "class_share": 0, "mean_squared_error": 100, "frechet_ratio": 100}
        model["gates"] |= {gate: value for gate, value in reachable.items() if gate in model["gates"]} | {
            "int8": 10_000
        }
    document["models"]["iris_mlp"]["gates"]["cross_validation"] = 0
    copy.write_params(document)
    return copy


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True  # which addresses in [ ] need
    return yaml


def _empty_index() -> Path:
    folder = Path(tempfile.mkdtemp())
    subprocess.run(["git", "init", "--quiet", "--bare", folder], check=True)
    return folder
