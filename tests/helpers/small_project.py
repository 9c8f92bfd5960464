"""Copy the repository as a small project, which runs on a part of the real data in about a minute."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from ruamel.yaml import YAML

from penstock.config.loading import load_config
from penstock.config.own_code import write_own_code
from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from tests.helpers.lookups import without_variables_of_tests

SECONDS_TO_FINISH = 1200  # of one command, on a busy machine


@dataclass(frozen=True)
class SmallProject:
    """A copy of the project."""

    root: Path
    shared: bool = False
    """Whether several test workers use the folder; then it runs one command at a time."""

    def copied_to(self, root: Path) -> SmallProject:
        """Copy the project to a folder that does not exist yet."""
        with self._alone():
            shutil.copytree(self.root, root, symlinks=True, copy_function=_link_if_cached)
        return SmallProject(root)

    def _alone(self) -> AbstractContextManager[object]:
        return FileLock(self.root.with_suffix(".busy")) if self.shared else nullcontext()

    @property
    def environment(self) -> dict[str, str]:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": programs, "PYTHONPATH": str(self.root / "src")}

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project, with the programs of this Python and the sources of the copy.

        Args:
            command: Program and arguments.
            check: Whether to assert that the exit code is 0.
            environment: Additional environment variables.

        Returns:
            The exit code, and stdout and stderr together as `stdout`.
        """
        with self._alone():
            done = subprocess.run(
                command,
                cwd=self.root,
                env=without_variables_of_tests() | self.environment | environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=SECONDS_TO_FINISH,
            )
        assert not check or done.returncode == 0, done.stdout
        return done

    def make_with_this_environment(self, command: str) -> list[str]:
        """Return a `make` command that uses the virtual environment of this Python without installing anything."""
        assert command.startswith("make ")
        installed = [option for stamp in (".pipeline", ".test") for option in ("-o", f"{sys.prefix}/{stamp}")]
        return [*command.split(), f"VENV={sys.prefix}", *installed]

    def read_params(self) -> Any:
        """Read params.yaml with ruamel, which keeps anchors and comments."""
        return _yaml().load((self.root / "params.yaml").read_text())

    def write_params(self, document: Any) -> None:
        """Write params.yaml, and pipelines/code.yaml as `penstock config --write` does; some tests write mistakes."""
        project = Project(self.root)
        with project.params.open("w") as file:
            _yaml().dump(document, file)
        with suppress(ConfigError):
            write_own_code(project, load_config(project.params))

    def edit_params(self, **changes: Any) -> None:
        """Set values by dotted key, with `__` for each dot: `models__mnist_cnn__training__epochs=1`."""
        document = self.read_params()
        for dotted, value in changes.items():
            *parents, last = dotted.split("__")
            block = document
            for key in parents:
                block = block[key]
            block[last] = value
        self.write_params(document)


def _link_if_cached(source: str, target: str) -> None:
    """Copy a file; one in DVC's cache, which is never written again, is only linked."""
    if "/.dvc/cache/" in source:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def small_repository(repository: Path, root: Path, models: Collection[str] | None = None) -> SmallProject:
    """Copy the files that git does not ignore to an empty folder, as a small project.

    It has a few hundred rows per dataset and 2 epochs per model.

    Args:
        repository: The repository; relative mirrors still refer to it.
        root: The folder, which does not become a git repository.
        models: Models to keep, documented or tuned; None keeps all.
    """
    for name in files_for_git(repository):
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
    _keep_models(document, models)
    _shorten_trainings(document)
    copy.write_params(document)
    return copy


def files_for_git(repository: Path) -> list[str]:
    """List the files that git does not ignore; an unpacked archive without .git works as well."""
    with tempfile.TemporaryDirectory() as empty:
        subprocess.run(["git", "init", "--quiet", "--bare", empty], check=True)
        command = ["git", f"--git-dir={empty}", f"--work-tree={repository}", "ls-files", "--others"]
        listed = subprocess.run(
            [*command, "--exclude-standard"], cwd=repository, check=True, capture_output=True, text=True
        )
    return listed.stdout.splitlines()


def _keep_models(document: Any, models: Collection[str] | None) -> None:
    for group in (document["models"], document["tuned"]):
        for name in set(group) - set(models or group):
            del group[name]
            document["promotion"]["models"].pop(name, None)
    for reference in document["fid_references"].values():
        reference["classifier"] = "mnist_cnn"  # whichever models are kept, so that outputs do not depend on them


def _shorten_trainings(document: Any) -> None:
    """Set 2 epochs, and gates of quality that such a training passes; the parity gate stays."""
    reachable = {"accuracy": 0, "class_share": 0, "mean_squared_error": 100, "frechet_ratio": 100}
    for model in [*document["models"].values(), *document["tuned"].values()]:
        model["training"]["epochs"] = 2
        gates = {gate: value for gate, value in reachable.items() if gate in model["gates"]}
        model["gates"] |= gates | {"int8": 10_000}
        model["gates"].pop("behaviour", None)
    document["models"]["iris_mlp"]["gates"]["cross_validation"] = 0


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True  # required by addresses in [ ]
    return yaml
