"""Rows of many requests in one run of a model, and each row's answer back to its request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.serving.models import ServedModel
from penstock.serving.refusals import ModelFailedError, RefusedError
from penstock.serving.tensors import Tensors

Outputs = dict[str, NDArray[Any]]


@dataclass(slots=True, eq=False)
class Work:
    """The rows of one request on their way to `answer`.

    counted: how many of the rows the queue counts as waiting; alone: they share no run with others; arrived: when they
    came, in seconds of `time.monotonic`; taken, done: how many rows have been given to runs, and have come back.
    """

    inputs: Tensors
    rows: int
    counted: int
    alone: bool
    arrived: float
    answer: asyncio.Future[Outputs]
    taken: int = 0
    done: int = 0
    parts: list[tuple[int, Outputs]] = field(default_factory=list)

    def settle(self, part: Part, outputs: Outputs | RefusedError) -> None:
        """Takes what became of some of the rows; with the last of them, or a refusal, the request is answered."""
        if self.answer.done():
            return
        if isinstance(outputs, RefusedError):
            self.answer.set_exception(outputs)
            return
        self.done += part.stop - part.start
        if self.done < self.rows or self.parts:
            self.parts.append((part.start, outputs))
        if self.done == self.rows:
            self.answer.set_result(_joined(self.parts) if self.parts else outputs)


class Part(NamedTuple):
    """The rows from `start` to `stop` of a request, in one run."""

    work: Work
    start: int
    stop: int


class Waiting:
    """The requests that wait for one model, first come, first served; of a long one, a part at a time.

    rows: all that wait; counted: those that stand in the way of others, since of a long request only some do.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.counted = 0
        self._queue: deque[Work] = deque()

    def add(self, work: Work) -> None:
        self._queue.append(work)
        self.rows += work.rows
        self.counted += work.counted

    def remove(self, work: Work) -> None:
        """What has not been given to a run of a request that nobody waits for any more."""
        if work.taken < work.rows:
            self._queue.remove(work)
            self.rows -= work.rows - work.taken
            self.counted -= work.counted

    def take(self, most: int) -> list[Part]:
        """The next run, of at most so many rows."""
        parts: list[Part] = []
        queue = self._queue
        while queue and most > 0:
            work = queue[0]
            if work.alone and parts:
                break
            start = work.taken
            stop = work.taken = min(work.rows, start + most)
            self.rows -= stop - start
            most = 0 if work.alone else most - (stop - start)
            parts.append(Part(work, start, stop))
            if stop < work.rows:
                # A long request goes to the end of the queue, so that short ones behind it do not wait for all of it.
                queue.rotate(-1)
            else:
                queue.popleft()
                self.counted -= work.counted
        return parts


def run(model: ServedModel, parts: Sequence[Part]) -> list[Outputs | RefusedError]:
    """What becomes of each part, in their order: where rows have no answer, only theirs is refused."""
    try:
        outputs = model.run(_joined_inputs(parts))
    except ModelFailedError as error:
        return [error] if len(parts) == 1 else [answer for part in parts for answer in run(model, [part])]
    refused = model.without_answer(outputs)
    if len(parts) == 1:
        return [outputs if refused is None else model.no_answer()]
    answers: list[Outputs | RefusedError] = []
    first = 0
    for part in parts:
        last = first + part.stop - part.start
        if refused is not None and refused[first:last].any():
            answers.append(model.no_answer())
        else:
            answers.append({name: rows[first:last] for name, rows in outputs.items()})
        first = last
    return answers


def _joined_inputs(parts: Sequence[Part]) -> Tensors:
    if len(parts) == 1:
        work, start, stop = parts[0]
        return work.inputs if stop - start == work.rows else _divided(work.inputs, start, stop)
    return {
        name: np.concatenate([work.inputs[name][start:stop] for work, start, stop in parts])
        for name in parts[0].work.inputs
    }


def _divided(inputs: Tensors, start: int, stop: int) -> Tensors:
    """Some of the rows; what is one row for all of them goes with each part."""
    return {name: rows if len(rows) == 1 else rows[start:stop] for name, rows in inputs.items()}


def _joined(parts: list[tuple[int, Outputs]]) -> Outputs:
    parts.sort(key=lambda part: part[0])
    return {name: np.concatenate([outputs[name] for _, outputs in parts]) for name in parts[0][1]}
