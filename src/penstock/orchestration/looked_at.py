"""Which files say, to DVC, whether stages are up to date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dvc.repo import Repo
from dvc.stage import PipelineStage, Stage
from dvc.utils.serialize import load_yaml

# What may stand in a folder and say something of all that is below it.
OF_A_FOLDER = ("dvc.yaml", ".dvcignore")


def looked_at(repo: Repo, stages: Sequence[Stage]) -> list[Path] | None:
    """Absolute paths, of files that are not there as well; None where something lies elsewhere, at a server say, and no
    file here says whether it has changed."""
    parts = [part for stage in stages for part in (*stage.deps, *stage.outs)]
    if any(part.fs.protocol != "local" for part in parts):
        return None
    places = dict.fromkeys(Path(part.fs_path) for part in parts)
    return [
        *(Path(repo.dvc_dir) / settings for settings in ("config", "config.local")),
        *_folders_of_the_cache(repo),
        *_says_how_they_run(stages),
        *(path for place in places for path in _is_read_at(place, Path(repo.root_dir))),
    ]


def lock_of(stage: PipelineStage) -> Path:
    return Path(stage.dvcfile._lockfile.path)  # DVC has no other way to it


def _folders_of_the_cache(repo: Repo) -> Iterator[Path]:
    """To DVC an output is not up to date when the cache has lost it; a folder changes when something in it goes."""
    cache = Path(repo.cache.local.path)
    yield cache
    yield from (folder for folder in cache.glob("*") if folder.is_dir())


def _says_how_they_run(stages: Sequence[Stage]) -> Iterator[Path]:
    folders: dict[Path, set[Path]] = {}
    for stage in stages:
        file = Path(stage.path)
        folders.setdefault(file, {file.parent}).add(Path(stage.wdir))
        if isinstance(stage, PipelineStage):
            yield lock_of(stage)
    for file, those_of_its_stages in folders.items():
        yield file
        # Templates may ask for params.yaml without a word, and for other files under `vars`.
        names = ["params.yaml", *_files_of_variables(load_yaml(str(file)))]
        yield from (folder / name for folder in those_of_its_stages for name in names)


def _files_of_variables(block: object) -> Iterator[str]:
    """FILE or FILE:KEYS, wherever `vars` may stand."""
    if isinstance(block, dict):
        yield from (one.partition(":")[0] for one in block.get("vars") or [] if isinstance(one, str))
        for part in block.values():
            yield from _files_of_variables(part)


def _is_read_at(path: Path, root: Path) -> Iterator[Path]:
    yield path
    if path.is_dir():
        yield from path.rglob("*")
    yield path.with_name(f"{path.name}.dvc")
    for folder in path.parents:
        yield from (folder / name for name in OF_A_FOLDER)
        if folder == root:
            break
