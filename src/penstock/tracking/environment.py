"""Tags that say on what and from what source a run was made."""

from __future__ import annotations

import getpass
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

KEY = "penstock.key"  # by which later stages find the run of a computation
LIBRARIES = ("torch", "pytorch-lightning", "mlflow", "dvc", "onnx", "onnxruntime")


def describe(root: Path) -> dict[str, str]:
    """MLflow's own source tags, the versions, and the machine's kind (not its name)."""
    versions = {f"version.{library}": version(library) for library in LIBRARIES}
    return versions | {
        "version.python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "mlflow.user": _user(),
        "mlflow.source.name": Path(sys.argv[0]).name,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": git_commit(root),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def git_commit(root: Path) -> str:
    """The commit that is checked out, with "+changes" where files differ from it; "none" outside git."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--untracked-files=all", "--", "src", "pipelines", "params.yaml")
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return f"{commit}+changes" if changes else commit


# Without a lock of git's index, which another stage's DVC may want at the same moment.
def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "--no-optional-locks", *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
