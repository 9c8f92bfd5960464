"""A git repository of iris_mlp alone, run and committed: the cheapest project with the whole pipeline."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.small_project import SmallProject, small_repository


def iris_repository(repository: Path, folder: Path) -> SmallProject:
    """Copy the repository to an empty folder, keep iris_mlp alone, run the pipeline and commit all.

    Args:
        repository: The repository.
        folder: The folder, which becomes a git repository with the branch `main`.
    """
    project = small_repository(repository, folder, models=("iris_mlp",))
    document = project.read_params()
    document["fid_references"].clear()
    for block, kept in (("datasets", "iris"), ("baselines", "iris_linear")):
        for name in set(document[block]) - {kept}:
            del document[block][name]
    document["models"]["iris_mlp"]["training"]["cross_validation"] = False
    document["models"]["iris_mlp"]["gates"].pop("cross_validation", None)
    project.write_params(document)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.run("git", "config", "user.name", "tester")
    project.run("git", "config", "user.email", "tester@example.org")
    _commit(project, "clone")
    project.run("dvc", "repro")
    _commit(project, "baseline")
    return project


def _commit(project: SmallProject, message: str) -> None:
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message", message)
