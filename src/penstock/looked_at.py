"""Which files say, to DVC, whether stages are up to date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dvc.dvcfile import ProjectFile
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import PipelineStage, Stage

# What may stand in a folder and say something of all that is below it.
OF_A_FOLDER = ("dvc.yaml", ".dvcignore")


def looked_at(repo: Repo, stages: Sequence[Stage]) -> list[Path] | None:
    """Absolute paths, of files that are not there as well; None where something lies elsewhere, at a server say, and no
    file here says whether it has changed."""
    parts = [part for stage in stages for part in (*stage.deps, *stage.outs)]
    if any(part.fs.protocol != "local" for part in parts):
        return None
    return [
        *(Path(repo.dvc_dir) / settings for settings in ("config", "config.local")),
        *_folders_of_the_cache(repo),
        *(path for stage in stages for path in _says_how_it_runs(stage)),
        *(path for part in parts for path in _is_read_of(part, Path(repo.root_dir))),
    ]


def lock_of(stage: PipelineStage) -> Path:
    return Path(stage.dvcfile._lockfile.path)  # DVC has no other way to it


def _folders_of_the_cache(repo: Repo) -> Iterator[Path]:
    """To DVC an output is not up to date when the cache has lost it; a folder changes when something in it goes."""
    cache = Path(repo.cache.local.path)
    yield cache
    yield from (folder for folder in cache.glob("*") if folder.is_dir())


def _says_how_it_runs(stage: Stage) -> Iterator[Path]:
    file = Path(stage.path)
    yield file
    yield file.with_name("params.yaml")  # for its templates, whether it says so or not
    if isinstance(stage, PipelineStage):
        yield lock_of(stage)
    if isinstance(stage.dvcfile, ProjectFile):
        resolver = stage.dvcfile.resolver
        for variables in (resolver.context.imports, *resolver.tracked_vars.values()):
            yield from (file.parent / path for path in variables)


def _is_read_of(part: Output, root: Path) -> Iterator[Path]:
    path = Path(part.fs_path)
    yield path
    if path.is_dir():
        yield from path.rglob("*")
    yield path.with_name(f"{path.name}.dvc")
    for folder in path.parents:
        yield from (folder / name for name in OF_A_FOLDER)
        if folder == root:
            break
