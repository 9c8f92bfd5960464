"""Collect the tags of a run about the machine, the libraries, the source code and the DVC experiment."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from penstock.config.own_code import listed_code
from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.tracking.tags import COMMIT, DVC_BASELINE, DVC_EXPERIMENT

UNKNOWN = "unknown"
LIBRARIES = ("torch", "pytorch-lightning", "mlflow", "dvc", "onnx", "onnxruntime")


def describe(project: Project) -> dict[str, str]:
    """Return tags of the source code, the libraries, the kind of machine, and the DVC experiment, if any."""
    versions = {f"version.{library}": version(library) for library in LIBRARIES}
    return versions | {
        "version.python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "mlflow.user": user_name(),
        "mlflow.source.name": Path(sys.argv[0]).name,
        "mlflow.source.type": "LOCAL",
        COMMIT: git_commit(project),
        **_dvc_experiment(),
    }


def _dvc_experiment() -> dict[str, str]:
    """Return the tags of the DVC experiment, from the variables that `dvc exp run` sets for its stages."""
    variables = {DVC_EXPERIMENT: "DVC_EXP_NAME", DVC_BASELINE: "DVC_EXP_BASELINE_REV"}
    return {tag: os.environ[variable] for tag, variable in variables.items() if os.environ.get(variable)}


def user_name() -> str:
    """Return the name of the user in the operating system."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container the user ID may have no name
        return UNKNOWN


def git_commit(project: Project) -> str:
    """Return the commit that is checked out, with "+changes" if files differ from it; "none" outside git.

    Only files count that a training may depend on, the code of one's own among them.
    """
    paths = ["src", "pipelines", "params.yaml", *sorted(listed_code(project))]
    try:
        commit = _git(project.root, "rev-parse", "HEAD")
        changes = _git(project.root, "status", "--porcelain", "--untracked-files=all", "--", *paths)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return f"{commit}+changes" if changes else commit


def project_name(project: Project, config: Config) -> str:
    """Return what tells the registered models of a project from those of another one on the same MLflow.

    It is `tracking.project` of params.yaml, or else the first commit, which all clones share.
    """
    return config.tracking.project or _first_commit(project.original.root) or UNKNOWN


def _first_commit(root: Path) -> str:
    """Return the hash of the first commit; empty outside git and in a shallow clone."""
    try:
        if _git(root, "rev-parse", "--is-shallow-repository") == "true":
            return ""
        return _git(root, "rev-list", "--max-parents=0", "HEAD").splitlines()[-1]
    except (OSError, subprocess.CalledProcessError):
        return ""


# Without the lock of git's index, which DVC may need for another stage at the same time.
def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "--no-optional-locks", *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
