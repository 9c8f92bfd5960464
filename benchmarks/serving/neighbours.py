"""Sixteen requests at once, one of them of a wrong shape: how many of the fifteen good ones does it take with it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.results import Row
from benchmarks.serving.kept import Process
from benchmarks.serving.questions import ROWS, Questions
from benchmarks.serving.running import AT_ONCE, Running
from benchmarks.serving.servers import OURS, SERVERS, Place

BURSTS = 10
GOOD = BURSTS * (AT_ONCE - 1)


def measure(place: Place, questions: Questions, names: Sequence[str]) -> Iterator[Row | Process]:
    for name in names:
        server = SERVERS[name]
        with Running(server, place, questions.model) as running:
            running.wait(questions)
            running.check(questions)
            failed = sum(_failed(running, questions, burst) for burst in range(BURSTS))
        yield Process(server.name, f"of {GOOD} good requests failed beside one of a wrong shape", failed, 0)
        if name == OURS:
            yield Row(f"good requests of {GOOD} that fail", "one of a wrong shape among 16", failed, 0, 0, True)


def _failed(running: Running, questions: Questions, burst: int) -> int:
    """Good requests of one burst that got another answer than the right one, or none."""
    rows = [(burst * AT_ONCE + place) % ROWS for place in range(AT_ONCE)]
    asked = [(row, questions.each()[row]) for row in rows]
    bad = burst % AT_ONCE
    asked[bad] = (rows[bad], asked[bad][1][1:])
    answers = running.answers_at_once(questions, asked)
    return sum(not right for place, right in enumerate(answers) if place != bad)
