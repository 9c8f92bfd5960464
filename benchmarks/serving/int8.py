"""Compare models with their int8 candidates on Penstock's server; a served candidate must not be slower.

Rows compare concurrency 1, the usual load of a small device. Concurrency 64 has figures but no rows: the exact model
runs in batches, while an int8 candidate must not be batched, and is therefore usually slower.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from benchmarks.pairs import Ratio
from benchmarks.results import Row
from benchmarks.serving.cached import Figure
from benchmarks.serving.load import ask
from benchmarks.serving.running import Running
from benchmarks.serving.servers import OURS, SERVERS, Place
from benchmarks.serving.speed import WARM_UP, Length, Load, in_turns, medians
from benchmarks.serving.targets import more
from benchmarks.serving.workload import Workload, workload_of
from penstock.config.params import Config
from penstock.io.files import sha256, write_json

ONE_CALLER, MANY_CALLERS = 1, 64
SLOWER = "slower"


def measure(place: Place, config: Config, models: Iterable[str], length: Length) -> Iterator[Row | Figure]:
    """Compare the candidates that are served, and those that were rejected for their speed."""
    folder = replace(place, models=place.scratch / "int8")
    measured = [name for name in models if (of := config.model(name).int8).serve or of.reason == SLOWER]
    pairs = [_pair(folder, config, name) for name in measured]
    with Running(SERVERS[OURS], folder, "") as running:
        for name, pair in zip(measured, pairs, strict=True):
            yield from _compare(running, folder, pair, length, adopted=config.model(name).int8.serve)


def _pair(folder: Place, config: Config, name: str) -> list[Workload]:
    """Copy a model and its candidate, with a validation.json each; return the workloads of both."""
    files = folder.project.model(name, "models")
    candidate = f"{name}.int8"
    for served, source in ((name, files.onnx), (candidate, files.int8)):
        folder.file(served).parent.mkdir(parents=True)
        shutil.copy(source, folder.file(served))
        write_json(folder.file(served).with_name("validation.json"), {"sha256": sha256(source)})
    exact = workload_of(folder.project, config, name, folder.file(name))
    return [exact, replace(exact, model=candidate, path=folder.file(candidate))]


def _compare(
    running: Running, folder: Place, pair: list[Workload], length: Length, *, adopted: bool
) -> Iterator[Row | Figure]:
    exact, candidate = (workload.model for workload in pair)
    asked = {workload.model: _asked(running, folder, workload) for workload in pair}
    rounds = {connections: in_turns(asked, connections, length) for connections in (ONE_CALLER, MANY_CALLERS)}
    for connections, of_connections in rounds.items():
        for name, figure in medians(of_connections):
            yield Figure(running.server.name, name, connections, **figure)
    turns = [(round_[candidate], round_[exact]) for round_ in rounds[ONE_CALLER]]
    speed = Ratio.of([more(ours, theirs) for ours, theirs in turns if ours and theirs])
    yield Row(f"requests/s of {candidate}, one caller", exact, speed.value, speed.iqr_half, 1, at_most=not adopted)


def _asked(running: Running, folder: Place, workload: Workload) -> Load:
    running.wait(workload)
    path = running.server.schema.path(workload.model)
    asked = partial(ask, running.address, path, running.bodies(workload, folder.scratch))
    asked(8, WARM_UP)
    return asked
