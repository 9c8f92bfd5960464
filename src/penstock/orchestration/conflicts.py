"""Find the conflicts that git left in the files of the pipeline, and name the command that resolves them.

In a rebase, git's "ours" is the branch below, and "theirs" are the user's commits. In a merge it is the reverse.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from penstock.core.errors import ConfigError
from penstock.core.paths import Project

MARKER = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)
STASHED = ">>>>>>> Stashed changes"
BY_HAND = "keep the settings that you want, and delete the lines of <<<<<<<, ======= and >>>>>>>"


class _Sides(NamedTuple):
    """The options of `git checkout` that take the user's side and the other side, and what these are."""

    mine: str
    my_side: str
    other: str
    other_side: str


IN_REBASE = _Sides("--theirs", "your commits", "--ours", "the branch that you rebase onto")
# By the file in git's folder that tells the operation. The first that exists counts: a rebase has several of them.
SIDES = {
    "rebase-apply/applying": _Sides("--ours", "your branch", "--theirs", "the patch"),
    "rebase-apply": IN_REBASE,
    "rebase-merge": IN_REBASE,
    "CHERRY_PICK_HEAD": _Sides("--ours", "your branch", "--theirs", "the commit that you pick"),
    "REVERT_HEAD": _Sides("--ours", "your branch", "--theirs", "the commit before the one that you revert"),
    "MERGE_HEAD": _Sides("--ours", "your branch", "--theirs", "the branch that you merge"),
}
OF_STASH = _Sides("--theirs", "your stashed changes", "--ours", "the branch")
OTHERWISE = _Sides("--ours", "the branch", "--theirs", "what is applied to it")  # such as `git merge --squash`


def require_no_conflicts(project: Project) -> None:
    """Check params.yaml and each dvc.yaml, dvc.lock and report for conflicts of git.

    Raises:
        ConfigError: There are some; the message names files and lines, and what to do.
    """
    edited = (project.params, project.pipeline, project.tuned_pipeline, project.seeds_pipeline)
    problems = [f"{place}; {BY_HAND}" for place in _conflicts(project, edited).values()]
    written = _conflicts(project, project.dvc_locks) | _conflicts_of_reports(project)
    if written:
        problems += [*written.values(), _advice(project, list(written))]
    if problems:
        raise ConfigError("\n".join(problems))


def _conflicts_of_reports(project: Project) -> dict[Path, str]:
    """Return the folders of reports with conflicts, and the place of the first one; a merge can leave a hundred."""
    found = {}
    for folder in project.report_folders:
        reports = sorted(path for path in folder.glob("*/*") if path.suffix in (".csv", ".json"))
        if places := list(_conflicts(project, reports).values()):
            more = f", and in {len(places) - 1} more of {project.shown(folder)}" if places[1:] else ""
            found[folder] = f"{places[0]}{more}"
    return found


def _conflicts(project: Project, paths: Iterable[Path]) -> dict[Path, str]:
    """Return the files with a conflict, and the place of its first marker in words."""
    found = {}
    for path in paths:
        text = _text(path)
        if marker := MARKER.search(text):
            line = text.count("\n", 0, marker.start()) + 1
            found[path] = f"{project.shown(path)}:{line}: git has left a conflict"
    return found


def _advice(project: Project, conflicted: Sequence[Path]) -> str:
    """Return the command that takes the user's side of files and folders that the pipeline writes."""
    files = [project.shown(path) for path in conflicted]
    then = "then `penstock repro` runs what differs (docs/dvc.md)"
    if not _git(project.root, "ls-files", "--unmerged", "--", *files):
        return (
            f"`git checkout HEAD {' '.join(files)}` takes the last commit's, since git no longer has both sides; {then}"
        )
    sides = _sides(project.root, files)
    return (
        f"`git checkout {sides.mine} {' '.join(files)}` takes the side of {sides.my_side}, and {sides.other} that of "
        f"{sides.other_side}; take the same for all of them, {then}"
    )


def _sides(root: Path, files: Sequence[str]) -> _Sides:
    """Return the sides in the operation that is under way. `git stash pop` leaves only the labels of its markers."""
    if _git(root, "grep", "--files-with-matches", "-e", f"^{STASHED}$", "--", *files):
        return OF_STASH
    return next((sides for name, sides in SIDES.items() if _git_path(root, name).exists()), OTHERWISE)


def _git_path(root: Path, name: str) -> Path:
    """Return the path of a file in git's folder, which is elsewhere in a linked worktree."""
    return root / _git(root, "rev-parse", "--git-path", name).strip()


def _git(root: Path, *arguments: str) -> str:
    """Return what git prints; nothing where it fails or is not installed."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
