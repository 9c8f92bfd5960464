"""Measure requests per second and latencies of all servers in turns.

In a round everybody is asked once, so that a ratio is the median of pairs that were taken in the same minute.
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

# What one asks of a contestant: its figures at so many connections in so many seconds.
Load = Callable[[int, int], Figures]
# None where a request failed: the figures of that turn are void.
Rounds = list[dict[str, Figures | None]]


@dataclass(frozen=True)
class Length:
    rounds: int
    seconds: int  # of one turn


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
    """Run every second round backwards, so that the order is no advantage."""
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
    """Return the medians of each server's valid turns."""
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
    """Return the rows of the targets, from rounds without failed requests."""
    for target in TARGETS:
        if (target.model, target.connections) != (model, connections):
            continue
        pairs = [(round_.get(OURS), round_.get(target.peer)) for round_ in rounds]
        compared = [target.compare(ours, theirs) for ours, theirs in pairs if ours and theirs]
        if len(compared) > 1:
            found = Ratio.of(compared)
            yield Row(target.metric, target.baseline, found.value, found.iqr_half, target.limit, target.at_most)
