"""Measure each server alone: seconds from start to the first correct response, and memory after load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.pairs import Ratio
from benchmarks.results import Row
from benchmarks.serving.cached import Process
from benchmarks.serving.load import ask
from benchmarks.serving.running import Running
from benchmarks.serving.servers import OURS, SERVERS, Place, Server
from benchmarks.serving.workload import Workload

STARTS = 5
SECONDS_OF_LOAD = 2
MEGABYTE = 10**6


def measure(place: Place, workload: Mapping[str, Workload], names: Sequence[str]) -> Iterator[Row | Process]:
    """Measure each server with three models; a server of one model per process loads the smallest."""
    for name in names:
        server = SERVERS[name]
        asked = list(workload.values())[: 1 if server.alone else None]
        seconds = Ratio.of([_start(server, place, asked) for _ in range(STARTS + 1)][1:])
        yield Process(server.name, "seconds from start to first right answer", seconds.value, seconds.iqr_half)
        megabytes = _memory(server, place, asked) / MEGABYTE
        yield Process(server.name, "MB after load", megabytes, 0)
        if name == OURS:
            yield Row("seconds until three models answer", "a new process", seconds.value, seconds.iqr_half, 0.5, True)
            yield Row("MB of three models after load", "one process", megabytes, 0, 150, True)


def _start(server: Server, place: Place, workload: Sequence[Workload]) -> float:
    with Running(server, place, workload[0].model) as running:
        return running.wait(*workload)


def _memory(server: Server, place: Place, workload: Sequence[Workload]) -> int:
    with Running(server, place, workload[0].model) as running:
        running.wait(*workload)
        for asked in workload:
            bodies = running.bodies(asked, place.scratch)
            ask(running.address, server.schema.path(asked.model), bodies, 64, SECONDS_OF_LOAD)
        return running.memory()
