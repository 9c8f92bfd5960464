"""Send 16 concurrent requests, one with a wrong shape, and count the valid requests that fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.results import Row
from benchmarks.serving.cached import Process
from benchmarks.serving.running import AT_ONCE, Running
from benchmarks.serving.servers import OURS, SERVERS, Place
from benchmarks.serving.workload import ROWS, Workload

BURSTS = 10
GOOD = BURSTS * (AT_ONCE - 1)


def measure(place: Place, workload: Workload, names: Sequence[str]) -> Iterator[Row | Process]:
    for name in names:
        server = SERVERS[name]
        with Running(server, place, workload.model) as running:
            running.wait(workload)
            running.check(workload)
            failed = sum(_failed(running, workload, burst) for burst in range(BURSTS))
        yield Process(server.name, f"of {GOOD} good requests failed beside one of a wrong shape", failed, 0)
        if name == OURS:
            yield Row(f"good requests of {GOOD} that fail", "one of a wrong shape among 16", failed, 0, 0, True)


def _failed(running: Running, workload: Workload, burst: int) -> int:
    """Return the number of valid requests in a burst with a wrong response or none."""
    rows = [(burst * AT_ONCE + place) % ROWS for place in range(AT_ONCE)]
    asked = [(row, workload.each()[row]) for row in rows]
    bad = burst % AT_ONCE
    asked[bad] = (rows[bad], asked[bad][1][1:])
    answers = running.answers_at_once(workload, asked)
    return sum(not right for place, right in enumerate(answers) if place != bad)
