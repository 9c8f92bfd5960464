"""Measure requests per second and latencies of all servers in turns.

In each round every server has one turn, so a ratio is the median of pairs that were measured within a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from benchmarks.pairs import Ratio
from benchmarks.results import Row
from benchmarks.serving.cached import Figure
from benchmarks.serving.load import FailedRequestsError, Figures, ask
from benchmarks.serving.ort_baseline import OrtBaseline
from benchmarks.serving.running import Running
from benchmarks.serving.servers import BARE, KNOWN, OURS, Place
from benchmarks.serving.targets import TARGETS
from benchmarks.serving.workload import Workload

CONNECTIONS = (1, 8, 64)
WARM_UP = 1  # seconds

# Measures a server, from the number of connections and the seconds of a turn.
Load = Callable[[int, int], Figures]
# Figures by server for each round; None if a request failed, which makes the turn void.
Rounds = list[dict[str, Figures | None]]


@dataclass(frozen=True)
class Length:
    """Duration of a measurement."""

    rounds: int
    seconds: int
    """Seconds of one turn."""


def measure(place: Place, workload: Workload, names: Sequence[str], length: Length) -> Iterator[Row | Figure]:
    with ExitStack() as running:
        asked = {name: _started(place, workload, name, running) for name in names}
        for connections in CONNECTIONS:
            rounds = in_turns(asked, connections, length)
            yield from figures(workload.model, connections, rounds)
            yield from rows(workload.model, connections, rounds)


def _started(place: Place, workload: Workload, name: str, running: ExitStack) -> Load:
    if name == BARE:
        return running.enter_context(OrtBaseline(place.project, workload, place.scratch)).figures
    server = running.enter_context(Running(KNOWN[name], place, workload.model))
    server.wait(workload)
    server.check(workload)
    path = server.server.schema.path(workload.model)
    asked = partial(ask, server.address, path, server.bodies(workload, place.scratch))
    asked(8, WARM_UP)
    return asked


def in_turns(asked: Mapping[str, Load], connections: int, length: Length) -> Rounds:
    """Measure all servers in rounds. The order alternates, so that it gives no server an advantage."""
    orders = list(asked), list(asked)[::-1]
    return [
        {name: _figures(name, asked[name], connections, length.seconds) for name in orders[number % 2]}
        for number in range(length.rounds)
    ]


def _figures(name: str, asked: Load, connections: int, seconds: int) -> Figures | None:
    try:
        return asked(connections, seconds)
    except FailedRequestsError as error:
        print(f"void: {name}: {error}", flush=True)
        return None


def figures(model: str, connections: int, rounds: Rounds) -> Iterator[Figure]:
    for name, found in medians(rounds):
        yield Figure(KNOWN[name].name if name != BARE else "bare onnxruntime", model, connections, **found)


def medians(rounds: Rounds) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the medians of the valid turns of each server."""
    for name in rounds[0]:
        if valid := [turn for round_ in rounds if (turn := round_[name])]:
            yield (
                name,
                {
                    "requests_per_second": round(median(turn.requests_per_second for turn in valid)),
                    "p50_ms": round(median(turn.p50_ms for turn in valid), 3),
                    "p99_ms": round(median(turn.p99_ms for turn in valid), 3),
                    "void": len(rounds) - len(valid),
                },
            )


def rows(model: str, connections: int, rounds: Rounds) -> Iterator[Row]:
    """Yield the rows of the targets, from pairs without failed requests."""
    for target in TARGETS:
        if (target.model, target.connections) != (model, connections):
            continue
        pairs = [(round_.get(OURS), round_.get(target.peer)) for round_ in rounds]
        compared = [target.compare(ours, theirs) for ours, theirs in pairs if ours and theirs]
        if len(compared) > 1:
            found = Ratio.of(compared)
            yield Row(target.metric, target.baseline, found.value, found.iqr_half, target.limit, target.at_most)
