"""Write a new dataset, its baseline and a first model into params.yaml, by what its files contain."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from penstock.config.base import NAME_PATTERN
from penstock.config.data import ImageConfig
from penstock.config.loading import load_config
from penstock.config.targets import OUTPUTS
from penstock.core.console import output, print_table
from penstock.core.errors import ConfigError
from penstock.core.paths import Project
from penstock.core.plurals import counted
from penstock.data.sources import folder
from penstock.data.sources.batch import SourceBatch
from penstock.data.sources.images import decode
from penstock.data.sources.read import read_batches
from penstock.io.files import sha256, write_text
from penstock.new.card import data_card
from penstock.new.entries import with_entries
from penstock.new.model import model_entry
from penstock.new.place import OWN_FILES, PlacedFile, place
from penstock.new.profile import ColumnProfile, profiles_of
from penstock.new.seen_file import SeenFile, look_at
from penstock.new.target import Target, target_of

TEST, VALIDATION, SEED = 0.2, 0.2, 42
FEWEST_ROWS = 10  # of a random split with folds
MARGIN = 0.1  # of the shares of the classes, so that a corrected label does not fail
MOST_SHOWN = 40  # columns; the data card has all
MANY_CATEGORIES = 0.25  # of the rows
MOST_IMAGE_EDGE = 64
MAX_VOCABULARY, MAX_WORDS = 20_000, 400
READABLE = ("number", "category", "boolean", "date")
RESERVED = sorted({name for outputs in OUTPUTS.values() for name in outputs})
"""Outputs of exported files, which no input may be called."""


@dataclass(frozen=True)
class Request:
    """What `penstock new dataset` was asked for."""

    name: str
    source: str
    test: str | None = None
    target: Sequence[str] = ()
    kind: str | None = None
    leave_out: Sequence[str] = ()
    group: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class _Seen:
    """What the files contain."""

    request: Request
    parts: Mapping[str, PlacedFile]
    file: SeenFile
    profiles: Mapping[str, ColumnProfile]
    """By column, over all parts."""
    rows: Mapping[str, int]
    target: Target
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> dict[str, str]:
        """File name of each part."""
        return {part: one.path.name for part, one in self.parts.items()}

    def images(self) -> Iterator[np.ndarray[Any, Any]]:
        """Yield the images of all parts, uint8 [height, width, 3]."""
        source = self.file.source(self.names)
        for part, one in self.parts.items():
            for batch in folder.batches(source, one.path.parent, part, ["image", "label"]):
                for row, content in enumerate(batch.arrow("image")):
                    yield _decoded(batch, row, content.as_py())


def new_dataset(project: Project, request: Request) -> None:
    """Look at the files and write the entries; nothing is written if something is wrong.

    Raises:
        ConfigError: The name is taken, or the options do not fit the files.
        DataFileError: A file cannot be read; the message names the file and the line.
    """
    config = load_config(project.params)
    _require_free_name(project, request.name, {*config.datasets, *config.every_model, *config.baselines})
    before = set((project.root / OWN_FILES).glob("*.zip"))
    try:
        _add(project, request)
    except BaseException:
        for archive in {*(project.root / OWN_FILES).glob(f"{request.name}*.zip")} - before:
            archive.unlink()  # packed by this command
        raise


def _add(project: Project, request: Request) -> None:
    seen = _look(project, request)
    dataset = _entry(seen)
    baseline = _baseline(request.name, dataset)
    rows = sum(seen.rows.values())
    model = model_entry(
        request.name, dataset, baseline["name"], rows=rows, shares=seen.target.shares, edge=_edge(dataset, seen)
    )
    entries = {
        "datasets": {request.name: dataset},
        "baselines": {baseline["name"]: {"kind": baseline["kind"], "dataset": request.name}},
        "models": {model.name: model.settings},
    }
    change = with_entries(project.params, entries)
    for part, file in seen.parts.items():
        for _ in read_batches(change.config.dataset(request.name), file.path.parent, part):
            pass  # every row is as declared
    card = project.root / OWN_FILES / f"{request.name}.md"
    if card.exists():
        raise ConfigError(f"{project.shown(card)}: exists already; remove it, or choose another name")
    change.write()
    write_text(card, data_card(request.name, dataset, seen.profiles, seen.rows, seen.notes))
    _show(project, seen, dataset, model.name, card)


def _require_free_name(project: Project, name: str, taken: set[str]) -> None:
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigError(f"'{name}': a name has small letters, digits and _, and begins with a letter")
    if name in taken:
        raise ConfigError(f"{project.params.name}: there is a '{name}' already; choose another name")


def _look(project: Project, request: Request) -> _Seen:
    first = place(project, request.name, request.source)
    parts = {"all": first}
    if request.test is not None:
        parts = {"train": first, "test": place(project, f"{request.name}_test", request.test)}
        if parts["test"].path.parent != first.path.parent:
            raise ConfigError(f"--test {request.test}: must be in the folder of the other file, {first.path.parent}")
    file = look_at(first.path)
    names = {part: one.path.name for part, one in parts.items()}
    unread = {*request.leave_out} - {*request.target, request.group, request.time}
    profiles, rows = _profiles(file, parts, names, unread)
    for part, count in rows.items():
        if not count:
            raise ConfigError(f"{names[part]}: the file has no rows")
    notes = [*file.notes, *(one.note for one in parts.values() if one.note)]
    wanted = request.target or (["label"] if file.settings["kind"] == "folder" else [])
    target = target_of(profiles, wanted)
    if "all" in rows and rows["all"] < FEWEST_ROWS:
        found = counted(rows["all"], "row")
        raise ConfigError(f"{names['all']}: {found}; a split into parts and folds needs {FEWEST_ROWS}")
    return _Seen(request, parts, file, profiles, rows, target, [*notes, *target.notes])


def _profiles(
    file: SeenFile, parts: Mapping[str, PlacedFile], names: dict[str, str], unread: Collection[str]
) -> tuple[dict[str, ColumnProfile], dict[str, int]]:
    """Return the profile of each column over all parts, besides those that nobody reads, and the rows of each part."""
    columns = ["label"] if file.settings["kind"] == "folder" else [name for name in file.columns if name not in unread]
    rows: dict[str, int] = {}

    def counted() -> Iterator[SourceBatch]:
        batches = import_module(f"penstock.data.sources.{file.settings['kind']}").batches
        for part, one in parts.items():
            rows[part] = 0
            for batch in batches(file.source(names), one.path.parent, part, columns):
                rows[part] += len(batch)
                yield batch

    return profiles_of(counted(), columns), rows


def _entry(seen: _Seen) -> dict[str, Any]:
    """Return the entry of `datasets`."""
    parts = seen.names
    first = next(iter(seen.parts.values()))
    files = {
        one.path.name: {"bytes": one.path.stat().st_size, "sha256": sha256(one.path)} for one in seen.parts.values()
    }
    inputs = _inputs(seen)
    split: dict[str, Any] = {"test": TEST} if "all" in parts else {}
    split |= {"validation": VALIDATION, "seed": SEED}
    split |= {key: value for key in ("group", "time") if (value := getattr(seen.request, key)) is not None}
    return {
        **first.settings,
        "files": files,
        "description": _description(inputs),
        "source": {"kind": seen.file.settings["kind"], "parts": parts}
        | {key: value for key, value in seen.file.settings.items() if key != "kind"},
        "inputs": inputs,
        "target": seen.target.settings,
        "split": split,
        "checks": _checks(seen, inputs),
        "behaviour": {},
    }


def _description(inputs: Mapping[str, Any]) -> str:
    match inputs["kind"]:
        case "columns":
            return f"a row of {counted(len(inputs['columns']), 'column')}"
        case "image":
            return "a colour image" if inputs.get("mode") == "rgb" else "a grey image"
        case _:
            return "a text"


def _inputs(seen: _Seen) -> dict[str, Any]:
    if seen.file.settings["kind"] == "folder":
        return _images(seen) if seen.file.columns[0] == "image" else _texts(seen, "text")
    used = {*seen.target.columns, *seen.request.leave_out, seen.request.group, seen.request.time}
    others = {name: one for name, one in seen.profiles.items() if name not in used}
    texts = [name for name, one in others.items() if one.kind == "text"]
    readable = {name: one for name, one in others.items() if one.kind in READABLE}
    if seen.request.kind == "text" or (texts and not readable and seen.request.kind is None):
        if len(texts) != 1:
            raise ConfigError(f"--kind text: {len(texts)} columns are free text; leave others out by --leave-out")
        return _texts(seen, texts[0])
    if seen.request.kind == "image":
        raise ConfigError("--kind image: images come from a folder for each class, or a .zip archive of one")
    for name, one in others.items():
        if one.kind not in READABLE:
            seen.notes.append(f"'{name}' is left out: {one.hint or _why_left_out(one)}")
        elif one.kind == "category" and (one.hint or len(one.values) > MANY_CATEGORIES * one.rows):
            problem = one.hint or "most of them are rare; `--leave-out` leaves the column out"
            seen.notes.append(f"'{name}' has {len(one.values)} categories: {problem}")
    if not readable:
        raise ConfigError("no column can be read: all are the target, constant, identifiers or free text")
    for name in readable:
        if name in RESERVED or "${" in name:
            raise ConfigError(f"'{name}': rename this column; outputs are called {', '.join(RESERVED)}")
    return {"kind": "columns", "columns": {name: _column(one) for name, one in readable.items()}}


def _why_left_out(profile: ColumnProfile) -> str:
    return {
        "identifier": "it numbers or names the rows",
        "constant": "all rows have the same value",
        "empty": "no row has a value",
        "text": "it is free text; `--kind text` reads it alone",
    }[profile.kind]


def _column(profile: ColumnProfile) -> dict[str, Any]:
    settings: dict[str, Any] = {"kind": profile.kind}
    if profile.kind == "category":
        settings["values"] = profile.values
    if not profile.missing and profile.kind == "number":
        settings["required"] = True
    return settings


def _texts(seen: _Seen, column: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"kind": "text", "vocab_size": MAX_VOCABULARY, "max_length": MAX_WORDS}
    seen.notes.append(f"of a text, the last {MAX_WORDS} words are read, and {MAX_VOCABULARY:,} different ones")
    return settings | ({"column": column} if column != "text" else {})


def _images(seen: _Seen) -> dict[str, Any]:
    sizes: set[tuple[int, int]] = set()
    colour = False
    for image in seen.images():
        sizes.add(image.shape[:2])
        colour = colour or bool((image[..., :1] != image).any())
    settings: dict[str, Any] = {"kind": "image"} | ({"mode": "rgb"} if colour else {})
    edges = np.median(np.array(sorted(sizes)), axis=0)
    if len(sizes) > 1 or edges.max() > MOST_IMAGE_EDGE:
        scale = min(1.0, MOST_IMAGE_EDGE / float(edges.max()))
        settings["size"] = [max(1, round(float(edge) * scale)) for edge in edges]
        seen.notes.append(f"images are resized to {settings['size'][0]} x {settings['size'][1]} (height x width)")
    return settings


def _decoded(batch: SourceBatch, row: int, content: bytes) -> np.ndarray[Any, Any]:
    try:
        return decode(content, ImageConfig(kind="image", mode="rgb"))
    except Exception as error:  # noqa: BLE001  (Pillow's errors have no common class)
        batch.fail(row, "image", f"the image cannot be decoded: {error}")


def _edge(dataset: Mapping[str, Any], seen: _Seen) -> int:
    """Return the shorter edge of the images, in pixels; 0 for other inputs."""
    if dataset["inputs"]["kind"] != "image":
        return 0
    if "size" in dataset["inputs"]:
        return int(min(dataset["inputs"]["size"]))
    return int(min(next(seen.images()).shape[:2]))


def _checks(seen: _Seen, inputs: Mapping[str, Any]) -> dict[str, Any]:
    checks: dict[str, Any] = {"rows": dict(seen.rows)}
    if seen.target.shares and "all" in seen.rows:
        smallest, largest = min(seen.target.shares), max(seen.target.shares)
        checks["class_share"] = {"min": _down(smallest * (1 - MARGIN)), "max": min(1.0, _up(largest * (1 + MARGIN)))}
    names = [*(inputs["columns"] if inputs["kind"] == "columns" else ())]
    names += seen.target.columns if seen.target.task == "regression" else []
    columns = {name: found for name in names if (found := _column_check(seen.profiles[name]))}
    return checks | ({"columns": columns} if columns else {})


def _column_check(profile: ColumnProfile) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if profile.kind in ("number", "identifier") and profile.numbers:
        found["range"] = {"min": _rounded(profile.low, math.floor), "max": _rounded(profile.high, math.ceil)}
    if profile.missing:
        found["missing"] = _up(profile.missing_share)
    return found


def _rounded(value: float, direction: Any) -> float | int:  # noqa: ANN401  (floor or ceil)
    """Return a limit with six digits that holds for the value."""
    if value == int(value) and abs(value) < 1e15:
        return int(value)
    digits = 6 - math.ceil(math.log10(abs(value)))
    return float(f"{direction(value * 10**digits) / 10**digits:.9g}")


def _down(share: float) -> float:
    return math.floor(share * 1000) / 1000


def _up(share: float) -> float:
    return math.ceil(share * 1000) / 1000


def _baseline(name: str, dataset: Mapping[str, Any]) -> dict[str, str]:
    kind = "boosting" if dataset["inputs"]["kind"] == "columns" else "linear"
    return {"kind": kind, "name": f"{name}_{kind}"}


def _show(project: Project, seen: _Seen, dataset: Mapping[str, Any], model: str, card: Path) -> None:
    inputs = dataset["inputs"]
    if inputs["kind"] == "columns":
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("column", "kind", "values", "missing"):
            table.add_column(title, no_wrap=True)
        shown = list(inputs["columns"])
        if len(shown) > MOST_SHOWN:
            seen.notes.append(f"{len(shown) - MOST_SHOWN:,} more columns are in {project.shown(card)}")
        for name in [*shown[:MOST_SHOWN], *seen.target.columns]:
            profile = seen.profiles[name]
            role = "target" if name in seen.target.columns else inputs["columns"][name]["kind"]
            table.add_row(name, role, profile.seen, f"{100 * profile.missing_share:.1f} %" if profile.missing else "")
        print_table(table)
        output.print()
    for note in seen.notes:
        output.print(f"- {note}", markup=False)
    counts = {part: counted(count, "row") for part, count in seen.rows.items()}
    rows = " + ".join(count if part == "all" else f"{count} of {part}" for part, count in counts.items())
    output.print(f"{project.params.name}: dataset {seen.request.name} ({rows}), model {model}; {project.shown(card)}")
    output.print("\nNext:")
    for command, meaning in (
        (f"dvc repro preprocess@{seen.request.name}", "checks the rows, and splits them"),
        (f"penstock check {model}", "overfits 32 rows, exports and compares, in seconds"),
        (f"dvc repro register@{model}", "trains, exports, validates"),
        ("penstock serve", "serves it, with a page to try it on http://127.0.0.1:8080"),
    ):
        output.print(f"  {command:<40} # {meaning}", markup=False)
