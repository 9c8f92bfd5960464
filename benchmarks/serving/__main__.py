"""Compare servers, and save the results in serving.json: `python -m benchmarks.serving [PART...]`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.serving import cached, int8, memory, neighbours, speed
from benchmarks.serving.cached import Figure, Found
from benchmarks.serving.load import check_wrk
from benchmarks.serving.servers import BARE, CHOICES, MODELS, OURS, SERVERS, UNBATCHED, Place
from benchmarks.serving.workload import workload_of
from penstock.config.loading import load_config
from penstock.core.errors import PenstockError
from penstock.core.paths import Project

PARTS = ("memory", "neighbours", "speed", "int8")
CHOSEN = "choices"  # not measured by default: it takes another 15 minutes
PEERS = [*(name for name in SERVERS if name != OURS), BARE]
NO_PEERS = (BARE, UNBATCHED)
CORES = 2


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument(
        "part", nargs="*", choices=[*PARTS, CHOSEN, []], help=f"what to measure (all of it but {CHOSEN})"
    )
    parser.add_argument("--model", action="append", help="only this one; may be given again")
    parser.add_argument(
        "--peer", action="append", choices=[*PEERS, *CHOICES], help="only beside this one; may be given again"
    )
    parser.add_argument("--rounds", type=int, default=7, help="in which everybody has a turn (%(default)s)")
    parser.add_argument("--seconds", type=int, default=1, help="of a turn, whole ones (%(default)s)")
    chosen = parser.parse_args()
    if chosen.rounds < 2:
        parser.error("--rounds: at least 2, since quartiles need several")
    return chosen


def measure(chosen: argparse.Namespace, place: Place) -> Iterator[Found]:
    config = load_config(place.project.params)
    names = _asked(chosen, PEERS)
    servers = [name for name in names if name not in NO_PEERS]
    length = speed.Length(chosen.rounds, chosen.seconds)
    workload = {model: workload_of(place.project, config, model, place.file(model)) for model in MODELS}
    parts = chosen.part or PARTS
    if "memory" in parts:
        yield from memory.measure(place, workload, servers)
    if "neighbours" in parts:
        yield from neighbours.measure(place, workload["mnist_cnn"], servers)
    for model in _chosen_models(chosen, MODELS):
        if "speed" in parts:
            yield from speed.measure(place, workload[model], _asked(chosen, PEERS), length)
        if CHOSEN in parts:
            beside_variants = speed.measure(place, workload[model], _asked(chosen, CHOICES), length)
            yield from (entry for entry in beside_variants if not _is_of_ours(entry))
    if "int8" in parts:
        yield from int8.measure(place, config, _chosen_models(chosen, config.models), length)


def _is_of_ours(entry: Found) -> bool:
    """Return whether an entry is a figure of Penstock's server."""
    return isinstance(entry, Figure) and entry.server == SERVERS[OURS].name


def _chosen_models(chosen: argparse.Namespace, models: Iterable[str]) -> list[str]:
    return [name for name in models if not chosen.model or name in chosen.model]


def _asked(chosen: argparse.Namespace, others: Iterable[str]) -> list[str]:
    """Return Penstock's server and the chosen others; all others if none is chosen."""
    return [OURS, *(name for name in others if not chosen.peer or name in chosen.peer)]


def copy_models(project: Project, folder: Path) -> None:
    """Copy the measured models, so that every server loads the same models."""
    for model in MODELS:
        files = project.model(model, "models")
        (folder / model).mkdir(parents=True)
        for path in (files.onnx, files.validation):
            shutil.copy(path, folder / model)


def main() -> None:
    chosen = parse()
    check_wrk()
    project = Project.find()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])  # child processes inherit it
    with TemporaryDirectory() as scratch:
        place = Place(project, Path(scratch) / "models", Path(scratch))
        copy_models(project, place.models)
        found = []
        for entry in measure(chosen, place):
            cached.keep(entry)  # saved at once, since a later benchmark may fail
            print(entry, flush=True)
            found.append(entry)
    cached.show(found)


if __name__ == "__main__":
    try:
        main()
    except PenstockError as error:
        sys.exit(f"error: {error}")
