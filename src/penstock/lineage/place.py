"""Places that have the settings and the source files of a model: the project, or a copy of a commit."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from penstock.config.loading import load_config
from penstock.config.own_code import own_code
from penstock.config.params import Config
from penstock.core.errors import ConfigError, PenstockError, first_line
from penstock.core.paths import ModelFiles, Project
from penstock.io.files import canonical_hash, sha256
from penstock.io.provenance import python_files, training_provenance, training_relevant_settings

SHORT = 7  # digits of a commit, as git shows it
# What determines the hashes of a training; a commit is copied no further.
COPIED = ("params.yaml", "dvc.yaml", "dvc.lock", "src", "pipelines", "reports", "tuned")
ACCELERATORS, MOST_GPUS = ("cpu", "gpu", "mps"), 64  # of one machine
# Modules that compute the hashes: other ones may give other hashes for the same settings.
COMPUTING = ("src/penstock/config", "src/penstock/io/provenance.py", "pipelines/penstock.json")


@dataclass(frozen=True)
class Place:
    """A project, or a copy of its commit, for one model."""

    project: Project
    shown: str
    """`here`, or `at commit 1a2b3c4`."""
    model: str
    parameters: str = ""
    """The hash that the settings should have, which tells what `auto` was on the machine of the training."""

    @cached_property
    def _loaded(self) -> tuple[Config | None, str]:
        """The settings; or else why there are none."""
        try:
            config = load_config(self.project.params)
            config.model(self.model)
        except (ConfigError, OSError) as error:
            return None, first_line(error)
        return config, ""

    @property
    def config(self) -> Config | None:
        return self._loaded[0]

    @property
    def problem(self) -> str:
        """Why the place has no settings of the model."""
        return self._loaded[1]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All settings that change the weights, with `auto` as on the machine of the training; empty without any."""
        if self.config is None:
            return {}
        here = training_relevant_settings(self.config, self.model)
        elsewhere = (training_relevant_settings(one, self.model) for one in _other_machines(self.config))
        fitting = (one for one in (here, *elsewhere) if canonical_hash(one) == self.parameters)
        return next(fitting, here)

    @cached_property
    def machine(self) -> str:
        """What `auto` was on the machine of the training, if it is something else on this one."""
        if self.config is None or self.settings == training_relevant_settings(self.config, self.model):
            return ""
        return f"accelerator {self.settings['trainer']['accelerator']}, devices {self.settings['trainer']['devices']}"

    @cached_property
    def hashes(self) -> Mapping[str, str]:
        """The hashes of parameters and code, computed from the files; empty without settings."""
        if self.config is None:
            return {}
        try:
            found = training_provenance(self.project, self.config, self.model)
        except (OSError, KeyError, YAMLError):  # dvc.yaml of another version of Penstock
            return {}
        return {"parameters": canonical_hash(self.settings), "code": found.code}

    @property
    def files(self) -> ModelFiles | None:
        return self.project.model(self.model, self.config.block_of_model(self.model)) if self.config else None

    @cached_property
    def lock(self) -> Lock:
        """The dvc.lock that has the stages of the model."""
        home = self.files.home if self.files else self.project.root
        return Lock.read(self.project.root, home)

    def computes_alike(self, other: Place) -> bool:
        """Return whether two places compute hashes by the same code."""
        return _computing(self.project.root) == _computing(other.project.root)


def _other_machines(config: Config) -> Iterator[Config]:
    """Yield the settings with each accelerator and number of devices that `auto` stands for on some machine."""
    trainer = config.trainer
    for accelerator in ACCELERATORS if trainer.accelerator == "auto" else (trainer.accelerator,):
        most = MOST_GPUS if accelerator == "gpu" else 1
        for devices in range(1, most + 1) if trainer.devices == "auto" else (trainer.devices,):
            update = {"accelerator": accelerator, "devices": devices}
            yield config.model_copy(update={"trainer": trainer.model_copy(update=update)})


def _computing(root: Path) -> dict[str, str]:
    files = [file for name in COMPUTING for file in python_files(root / name)]
    return {file.relative_to(root).as_posix(): sha256(file) for file in files if file.is_file()}


def copy_commit(project: Project, commit: str, folder: Path) -> Project:
    """Copy what determines the hashes of a training from a commit to an empty folder.

    Raises:
        PenstockError: git does not have the commit.
    """
    try:
        names = _git(project, "ls-tree", "--name-only", f"{commit}^{{commit}}").decode().split("\n")
        _unpack(_git(project, "archive", commit, *[name for name in COPIED if name in names]), folder)
    except (OSError, subprocess.CalledProcessError):
        raise PenstockError(f"git has no commit {commit[:SHORT]}; `git fetch` where it is") from None
    for path in _own_code(Project(folder)):
        with suppress(subprocess.CalledProcessError):  # not in the commit: then the hash of the code differs
            _unpack(_git(project, "archive", commit, "--", path), folder)
    return Project(folder)


def _unpack(archive: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def _own_code(copy: Project) -> Iterable[str]:
    """Return the code of one's own that the models of a commit have; none if its settings are of another version."""
    try:
        return own_code(load_config(copy.params))
    except (ConfigError, OSError):
        return ()


def head(project: Project) -> str:
    """Return the commit that is checked out; empty outside git."""
    try:
        return _git(project, "rev-parse", "HEAD").decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def remote(project: Project) -> str:
    """Return the address of git's remote `origin`; empty if there is none."""
    try:
        return _git(project, "remote", "get-url", "origin").decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(project: Project, *arguments: str) -> bytes:
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(command, cwd=project.root, check=True, capture_output=True).stdout


@dataclass(frozen=True)
class Lock:
    """What dvc.lock says: the md5 of each dependency and output."""

    stages: Mapping[str, Any]
    prefix: str
    """Folder of the pipeline of the model, such as `tuned/`."""

    @classmethod
    def read(cls, root: Path, home: Path) -> Lock:
        """Read dvc.lock of a project, and that of the pipeline in `home`; a missing or damaged one has no stages."""
        prefix = "" if home == root else f"{home.relative_to(root).as_posix()}/"
        stages: dict[str, Any] = {}
        for path in dict.fromkeys((root / "dvc.lock", home / "dvc.lock")):
            try:
                content = YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {}
            except (OSError, YAMLError, UnicodeDecodeError):
                continue
            stages |= content.get("stages", {})
        return cls(stages, prefix)

    def md5(self, stage: str, kind: str, path: str) -> str:
        """Return the md5 of a dependency (`deps`) or output (`outs`) of a stage; empty if dvc.lock has none.

        Args:
            stage: Such as `train@mnist_cnn`.
            kind: `deps` or `outs`.
            path: Relative to the project.
        """
        names = {path, path.removeprefix(self.prefix)}
        entries = self.stages.get(stage, {}).get(kind, [])
        return next((str(one.get("md5", "")) for one in entries if one.get("path") in names), "")
