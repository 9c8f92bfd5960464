"""Models at work: the rows of many callers to runs of onnxruntime, for HTTP and gRPC alike.

Nothing waits for a timer. At the end of each turn of the event loop, what has come is run: few rows of a quick model on
the event loop itself, all else in the lanes that are free; while they are busy rows collect, and make the next run.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from functools import cached_property, partial
from typing import NamedTuple

from penstock.serving.batching import Outputs, Part, Waiting, Work, run
from penstock.serving.decoding import Decoding
from penstock.serving.in_time import NOT_IN_TIME, within
from penstock.serving.lanes import Lanes
from penstock.serving.metrics import Metrics, ModelMetrics
from penstock.serving.models import ServedModel
from penstock.serving.refusals import (
    OUR_FAULT,
    ModelFailedError,
    OverloadedError,
    RefusedError,
    TimedOutError,
    TooLargeError,
)
from penstock.serving.repository import Repository
from penstock.serving.room import Room
from penstock.serving.settings import Settings
from penstock.serving.tensors import Tensors

SWEEP_SECONDS = 0.05
LONGEST_RETRY_AFTER = 60
# So many requests fill a queue, however many rows they have: none is too long to be let in, or shuts out the others.
LONG_REQUESTS = 32

logger = logging.getLogger(__name__)


class _Queue:
    """A model's requests: those that wait, and how many of its runs are under way in lanes."""

    def __init__(self, model: ServedModel, metrics: ModelMetrics) -> None:
        self.model = model
        self.metrics = metrics
        self.waiting = Waiting()
        self.running = 0

    def take(self, most: int) -> list[Part]:
        """Rows for a run that begins now."""
        parts = self.waiting.take(most)
        now = time.monotonic()
        for part in parts:
            if not part.start:
                self.metrics.queue_seconds.observe(now - part.work.arrived)
        return parts

    def run(self, parts: list[Part]) -> Ran:
        begun = time.monotonic()
        try:
            outputs = run(self.model, parts)
        except Exception:  # whatever happens to a run, its lane is there for the next one
            logger.exception("%s: a run of %d requests failed", self.model.name, len(parts))
            outputs = [ModelFailedError(f"{self.model.name}: {OUR_FAULT}") for _ in parts]
        return Ran(parts, outputs, time.monotonic() - begun)

    def settle(self, ran: Ran) -> None:
        self.metrics.batch_rows.observe(sum(part.stop - part.start for part in ran.parts))
        self.metrics.inference_seconds.observe(ran.seconds)
        for part, outputs in zip(ran.parts, ran.outputs, strict=True):
            part.work.settle(part, outputs)


class Ran(NamedTuple):
    """A run that is over, and what became of its parts."""

    parts: list[Part]
    outputs: list[Outputs | RefusedError]
    seconds: float


class Engine:
    """Runs the models of a repository. Belongs to the event loop in which it is first asked.

    room: for what callers send, by either protocol; decoding: the threads for pictures that are to be rows.
    """

    def __init__(self, repository: Repository, settings: Settings | None = None) -> None:
        self.repository = repository
        self.settings = settings or Settings()
        self.metrics = Metrics()
        self.room = Room(self.settings.all_bodies)
        self.decoding = Decoding(self.settings.waiting_rows)
        self._most_counted = max(1, self.settings.waiting_rows // LONG_REQUESTS)
        self._queues: dict[ServedModel, _Queue] = {}
        self._turn: dict[_Queue, None] = {}  # those with rows that wait, in the order in which they come to be run
        self._open: set[Work] = set()
        self._dispatching = False

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        loop.call_later(SWEEP_SECONDS, self._sweep)
        return loop

    @cached_property
    def _lanes(self) -> Lanes:
        return Lanes(self.settings.threads, self._loop)

    @property
    def waiting(self) -> dict[str, int]:
        """Rows that wait for their model to run, by its name."""
        return {queue.model.name: queue.waiting.rows for queue in self._queues.values()}

    def seconds_left(self, arrived: float) -> float:
        """Of the time of a request that came then, by `time.monotonic`."""
        return arrived + self.settings.timeout - time.monotonic()

    async def infer(self, model: ServedModel, inputs: Tensors, timeout: float | None = None) -> Outputs:
        """All outputs by name, a row for each row of the inputs, in their order.

        timeout: seconds, if less than the settings allow.

        Raises:
            InputError: the inputs are not what the model wants, or their values are too large for it.
            TooLargeError: there are more rows than one request may have.
            OverloadedError: as many rows are waiting as may wait, or these have waited for too long.
            TimedOutError: there was no answer in time.
            ModelFailedError: onnxruntime could not compute these rows.
        """
        rows = model.rows(inputs)
        queue = self._queues.get(model) or self._opened(model)
        alone = len(inputs) > len(model.inputs)
        work = Work(inputs, rows, self._counted(rows), alone, time.monotonic(), self._loop.create_future())
        self._admit(queue, work)
        try:
            return await (work.answer if timeout is None else within(timeout, work.answer))
        finally:
            self._open.discard(work)
            queue.waiting.remove(work)

    def close(self) -> None:
        """Ends the threads; nothing may be asked any more."""
        self.decoding.close()
        self._lanes.close()

    def _opened(self, model: ServedModel) -> _Queue:
        for retired in [queue.model for queue in self._queues.values() if self._is_over(queue)]:
            del self._queues[retired]
        queue = self._queues[model] = _Queue(model, self.metrics.of(model.name))
        return queue

    def _is_over(self, queue: _Queue) -> bool:
        served = self.repository.models.get(queue.model.name) is queue.model
        return not (served or queue.waiting.rows or queue.running)

    def _counted(self, rows: int) -> int:
        """How many of a request's rows count as waiting: what stands behind it has its turn after some of them."""
        if rows > self.settings.request_rows:
            raise TooLargeError(f"{rows} rows in one request; at most {self.settings.request_rows} are taken")
        return rows if rows < self._most_counted else self._most_counted

    def _admit(self, queue: _Queue, work: Work) -> None:
        before = queue.waiting.counted
        if before + work.counted > self.settings.waiting_rows:
            seconds = math.ceil(before * queue.model.plan.row_seconds / self._lanes.count)
            raise OverloadedError(
                f"{queue.model.name}: {queue.waiting.rows} rows are waiting already", min(seconds, LONGEST_RETRY_AFTER)
            )
        queue.waiting.add(work)
        self._open.add(work)
        self._turn[queue] = None
        if not self._dispatching:
            self._dispatching = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Begins what can be run now; each model with rows that wait has its turn."""
        self._dispatching = False
        idle = 0
        while self._turn and idle < len(self._turn):
            queue = next(iter(self._turn))
            del self._turn[queue]
            idle = 0 if self._begin(queue) else idle + 1
            if queue.waiting.rows:
                self._turn[queue] = None

    def _begin(self, queue: _Queue) -> bool:
        rows, plan = queue.waiting.rows, queue.model.plan
        if not rows:
            return False
        if rows <= plan.inline_rows and not queue.running:
            queue.settle(queue.run(queue.take(plan.most_rows)))
            return True
        if not self._lanes.free:
            return False
        parts = queue.take(min(plan.most_rows, math.ceil(rows / self._lanes.free)))
        queue.running += 1
        self._lanes.run(partial(queue.run, parts), partial(self._finish, queue))
        return True

    def _finish(self, queue: _Queue, ran: Ran) -> None:
        """A lane is free: what waits for it begins before the answers go out."""
        queue.running -= 1
        self._dispatch()
        queue.settle(ran)

    def _sweep(self) -> None:
        """Refuses what has waited for too long."""
        now = time.monotonic()
        late, stale = now - self.settings.timeout, now - self.settings.longest_wait
        for work in self._open:
            if work.answer.done():
                continue
            if work.arrived < late:
                work.answer.set_exception(TimedOutError(NOT_IN_TIME))
            elif not work.taken and work.arrived < stale:
                work.answer.set_exception(OverloadedError("waited too long in the queue"))
        self._loop.call_later(SWEEP_SECONDS, self._sweep)
