"""Which stages of the pipelines a change of params.yaml makes run again, by their declarations alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from penstock.core.paths import Project

PARAMS = "params.yaml"
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """A stage of a pipeline with the settings that it depends on."""

    name: str
    entry: str
    """The model or dataset that it is of."""
    settings: str
    """Its declaration, and the values of its parameters."""
    deps: tuple[str, ...]
    outs: tuple[str, ...]


def stale_stages(project: Project, old: Document, new: Document) -> list[Stage]:
    """Return the stages that one params.yaml makes run after another.

    A stage does if its parameters or its declaration differ, or if it depends on the output of one that does.

    Args:
        project: The project with its pipelines.
        old: Content of params.yaml.
        new: Other content of it.
    """
    before = {stage.name: stage for stage in _stages(project, old)}
    after = list(_stages(project, new))
    stale = {stage.name for stage in after if stage.name in before and stage.settings != before[stage.name].settings}
    stale |= {stage.name for stage in after if stage.name not in before}
    while True:
        outs = [out for stage in after if stage.name in stale for out in stage.outs]
        more = {stage.name for stage in after if any(_is_within(dep, out) for dep in stage.deps for out in outs)}
        if more <= stale:
            return [stage for stage in after if stage.name in stale]
        stale |= more


def _is_within(dep: str, out: str) -> bool:
    return f"{dep}/".startswith(f"{out}/") or f"{out}/".startswith(f"{dep}/")


def _stages(project: Project, params: Document) -> Iterator[Stage]:
    for pipeline in (project.pipeline, project.tuned_pipeline, project.seeds_pipeline):
        if pipeline.is_file():
            yield from _stages_of(project, pipeline, params)


def _stages_of(project: Project, pipeline: Path, params: Document) -> Iterator[Stage]:
    folder = pipeline.parent.relative_to(project.root)
    stages = YAML(typ="safe").load(pipeline.read_text(encoding="utf-8"))["stages"]
    for name, declared in stages.items():
        block = declared.get("foreach", "").removeprefix("${").removesuffix("}")
        entries = params.get(block, {}) if block else {"": {}}
        for entry, item in entries.items():
            stage = _filled(declared.get("do", declared), {**params, "key": entry, "item": item})
            whole = f"{name}@{entry}" if entry else name
            place = whole if folder == Path() else f"{pipeline.relative_to(project.root)}:{whole}"
            yield Stage(
                place,
                entry,
                json.dumps([stage, list(_values(stage, params))], sort_keys=True, default=str),
                tuple(_path(folder, stage, dep) for dep in stage.get("deps", ())),
                tuple(_path(folder, stage, out) for out in _outs(stage)),
            )


def _filled(declared: Any, values: Document) -> Any:  # noqa: ANN401
    """Return a declaration with the values of its `${...}`."""
    if isinstance(declared, dict):
        return {_filled(key, values): _filled(value, values) for key, value in declared.items()}
    if isinstance(declared, list):
        return [_filled(one, values) for one in declared]
    if not isinstance(declared, str):
        return declared
    return re.sub(r"\$\{([^}]+)\}", lambda found: str(_value(values, found[1])), declared)


def _value(block: Any, dotted: str) -> Any:  # noqa: ANN401
    for key in dotted.split("."):
        block = block.get(key) if isinstance(block, dict) else None
    return block


def _values(stage: Document, params: Document) -> Iterator[Any]:
    """Yield the values that a stage takes of params.yaml; another file is not changed by adopting."""
    for key in stage.get("params", ()):
        if isinstance(key, str):
            yield _value(params, key)
        else:
            yield from (_value(params, one) for file in key if Path(file).name == PARAMS for one in key[file] or ())


def _outs(stage: Document) -> Iterator[str]:
    for kind in ("outs", "metrics", "plots"):
        for out in stage.get(kind, ()):
            yield from [out] if isinstance(out, str) else out


def _path(folder: Path, stage: Document, path: str) -> str:
    """Return a path of a stage from the project's folder."""
    parts: list[str] = []
    for part in (folder / stage.get("wdir", "") / path).parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
